--@readonly
-- Is the certificate the device's, and is the channel enabled?
-- ARGV: id, device, cert
-- {0, enabled} or {code of auth()}; enabled is "1", "0", or "" for a user
-- channel that is not known
--@include auth
local T, id, device, cert = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

return {0, redis.call('HGET', T .. ':e:' .. id, 'enabled') or ''}
