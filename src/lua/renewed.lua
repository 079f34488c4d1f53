--@args who address limit device cert grace subject der ca sn ends renew
--@returns code old
-- The first message under a renewed certificate makes it the pin.  grace:
-- seconds that the one before is good for still; subject: its digest; der: DER
-- to keep or ""; ca, sn, ends, renew: see _certificate.lua
-- {0, the one before or ""}; {-1}: no such device; {-2}: another one is pinned
--@include event
--@include clock
--@include certificate
local T = KEYS[1]
local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'type', 'cert', 'next', 'was')

if not v[1] then
    return {-1}
end

-- the answer was lost

if v[2] == cert then
    return {0, v[4] or ''}
end

if v[3] ~= cert or not v[2] then
    return {-2}
end

certificate_renew(T, device, cert, v[2], grace)
certificate_dates(T, device, ca, sn, ends, renew)
redis.call('HSET', e, 'csub', subject)

if der ~= '' then
    redis.call('SET', T .. ':crt:' .. device, der)
else
    redis.call('UNLINK', T .. ':crt:' .. device)
end

event(T, limit, 'mdm.CertificateRenewed', device,
      {cert = hex(cert), replaced = hex(v[2]), ca = ca, serial = sn})

return {0, v[2]}
