-- Pins a claimed certificate to a device that was migrated and has none yet.
-- ARGV: device, cert, DER or "", event limit
-- {0}; {-1}: no such device; {-2}: another one is pinned; {-3}: not migrated
--@include event
--@include auth
local T, device, cert, der, limit = KEYS[1], ARGV[1], ARGV[2], ARGV[3],
                                    ARGV[4]
local code = auth(T, device, cert)

local e = T .. ':e:' .. device

if code ~= -3 or not redis.call('HGET', e, 'migrated') then
    return {code}
end

redis.call('HSET', e, 'cert', cert)
redis.call('HDEL', e, 'migrated')

if der ~= '' then
    redis.call('SET', T .. ':crt:' .. device, der)
end

event(T, limit, 'mdm.Pin', device, {cert = hex(cert)})

return {0}
