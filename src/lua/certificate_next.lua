--@args who address limit device cert ca sn purpose ends
--@returns code
-- A certificate was issued for a device that is enrolled: one for a renewal
-- may take the place of the one that is pinned from now on.
-- cert: its SHA-256, raw; sn: hex; ends: Unix seconds
-- {1}: done; {0}: it was known; {-1}: the device is not enrolled
--@include event
local T = KEYS[1]
local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'type', 'cert', 'next', 'issued')

if not v[1] then
    return {-1}
end

if v[4] == cert then
    return {0}
end

redis.call('HSET', e, 'issued', cert)

if purpose == 'renew' and v[2] ~= cert then
    redis.call('HSET', e, 'next', cert)
end

event(T, limit, 'mdm.CertificateIssued', device,
      {cert = hex(cert), ca = ca, serial = sn, purpose = purpose,
       expires = tonumber(ends)})

return {1}
