--@readonly
--@args device cert withhold
--@returns code token withheld
-- GetBootstrapToken.  withhold: 0 or 1
-- {0, token or ""}; {0, "", 1}: it is there, but withheld, or the device has
-- checked out; {code of auth()}
--@include auth
local T = KEYS[1]
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

local v = redis.call('HMGET', T .. ':u:' .. device, 'bootstrap',
                     'bootstrap_held')

if v[1] and (v[2] and withhold == '1'
             or redis.call('HEXISTS', T .. ':e:' .. device, 'out') == 1)
then
    return {0, '', 1}
end

return {0, v[1] or ''}
