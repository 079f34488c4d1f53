-- Pins a claimed certificate to a device that was migrated and has none yet.
-- ARGV: device, cert, DER or "", event limit, the serial number that was
--       checked, digest of the subject
-- {0}; {-1}: no such device; {-2}: another one is pinned; {-3}: not migrated;
-- {-6}: the serial number has changed since it was checked
--@include event
--@include auth
local T, device, cert, der, limit = KEYS[1], ARGV[1], ARGV[2], ARGV[3],
                                    ARGV[4]
local code = auth(T, device, cert)

if code ~= -3 then
    return {code}
end

local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'migrated', 'serial')

if not v[1] then
    return {code}
end

if (v[2] or '') ~= ARGV[5] then
    return {-6}
end

redis.call('HSET', e, 'cert', cert, 'csub', ARGV[6])
redis.call('HDEL', e, 'migrated')

if der ~= '' then
    redis.call('SET', T .. ':crt:' .. device, der)
end

event(T, limit, 'mdm.Pin', device, {cert = hex(cert)})

return {0}
