--@readonly
-- The token of a channel's declarations.
-- ARGV: id, device, cert
-- {0, token ("": no declarations), its time}; {code of auth()}
--@include auth
local T, id, device, cert = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

local v = redis.call('HMGET', T .. ':e:' .. id, 'dt', 'dts', 'enrolled',
                     'updated')

return {0, v[1] or '', v[2] or v[3] or v[4] or '0'}
