--@args who address limit device cert ca sn purpose ends before at
--@returns code
-- A certificate was issued for a device that is enrolled: one for a renewal
-- may take the place of the one that is pinned from now on.
-- cert: its SHA-256, raw; sn: hex; ends: Unix seconds; before: the one that its
-- holder renews, raw, or ""; at: when it was asked for, Unix seconds, or 0
-- {1}: done; {0}: it was known; {-1}: the device is not enrolled; {-2}: the one
-- that was renewed is not its pin any more, or it is blocked
--@include event
local T = KEYS[1]
local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'type', 'cert', 'enrolled', 'issued',
                     'next_at', 'blocked')

if not v[1] then
    return {-1}
end

if v[4] == cert then
    return {0}
end

if v[6] or before ~= '' and before ~= v[2] then
    return {-2}
end

-- A request that is repeated late must not bring back what another one, or an
-- Authenticate, has ended; clocks may differ by some seconds.

local since = tonumber(at)
local late = since > 0
             and (since + 5 < (tonumber(v[3] or '') or 0)
                  or since + 5 < (tonumber(v[5] or '') or 0))

redis.call('HSET', e, 'issued', cert)

if purpose == 'renew' and v[2] ~= cert and not late then
    redis.call('HSET', e, 'next', cert, 'next_at', at)
end

event(T, limit, 'mdm.CertificateIssued', device,
      {cert = hex(cert), ca = ca, serial = sn, purpose = purpose,
       expires = tonumber(ends)})

return {1}
