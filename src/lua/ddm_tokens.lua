--@readonly
--@args id device cert
--@returns code token time client
-- The token of a channel's declarations.
-- {0, token ("": no declarations), its time, digest of what the client says
-- that it supports, or ""}; {code of auth()}
--@include auth
--@include era_of
local T = KEYS[1]
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

local v = redis.call('HMGET', T .. ':e:' .. id, 'dt', 'dts', 'enrolled',
                     'updated', 'parent', 'era', 'dk')

if era_before(T, v[5], v[6]) ~= 0 then
    v[1] = nil
end

return {0, v[1] or '', v[2] or v[3] or v[4] or '0', v[7] or ''}
