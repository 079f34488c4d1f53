--@readonly
--@args id device cert
--@returns code enabled
-- Is the certificate the device's, and is the channel enabled?
-- {0, enabled} or {code of auth()}; enabled is "1", "0", or "" for a user
-- channel that is not known.  A renewed certificate opens, too, but nothing
-- is pinned by asking.
--@include auth
--@include era_of
local T = KEYS[1]
local code = auth(T, device, cert)

if code ~= 0 and code ~= -8 then
    return {code}
end

local v = redis.call('HMGET', T .. ':e:' .. id, 'enabled', 'parent', 'era')

if v[1] == '1' and era_before(T, v[2], v[3]) ~= 0 then
    return {0, '0'}
end

return {0, v[1] or ''}
