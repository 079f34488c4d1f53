--@readonly
-- GetBootstrapToken.  ARGV: device, cert
-- {0, token or ""} or {code of auth()}
--@include auth
local T, device = KEYS[1], ARGV[1]
local code = auth(T, device, ARGV[2])

if code ~= 0 then
    return {code}
end

return {0, redis.call('HGET', T .. ':u:' .. device, 'bootstrap') or ''}
