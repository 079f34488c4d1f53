--@args who address limit device cert der serial subject ca sn ends renew
--@returns code
-- Pins a claimed certificate to a device that was migrated and has none yet.
-- der: DER to keep or ""; serial: the number that was checked; subject: its
-- digest; ca, sn, ends, renew: see _certificate.lua
-- {0}; {-1}: no such device; {-2}: another one is pinned; {-3}: not migrated,
-- or blocked;
-- {-6}: the serial number has changed since it was checked
--@include event
--@include auth
--@include certificate
local T = KEYS[1]
local code = auth(T, device, cert)

if code ~= -3 then
    return {code}
end

local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'migrated', 'serial', 'blocked')

if not v[1] or v[3] then
    return {code}
end

if (v[2] or '') ~= serial then
    return {-6}
end

redis.call('HSET', e, 'cert', cert, 'csub', subject)
redis.call('HDEL', e, 'migrated')
certificate_dates(T, device, ca, sn, ends, renew)

if der ~= '' then
    redis.call('SET', T .. ':crt:' .. device, der)
end

event(T, limit, 'mdm.Pin', device, {cert = hex(cert)})

return {0}
