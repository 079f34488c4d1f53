--@args who address limit id device cert raw
--@returns code
-- CheckOut: the channel is disabled; a device's takes its users with it.
-- {0} or {code of auth()}
--@include event
--@include auth
--@include queue
--@include status
--@include era
--@include ddm
--@include setup
local T = KEYS[1]
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

if id == device then
    redis.call('HSET', T .. ':e:' .. id, 'out', 1)
end

local e = T .. ':e:' .. id
local v = redis.call('HMGET', e, 'enabled', 'parent', 'era')

if v[1] ~= '1' or era_before(T, v[2], v[3]) ~= 0 then
    return {0}
end

local users = 0

-- from now on what another server knows is older

redis.call('HDEL', e, 'mtoken', 'awaiting', 'not_on_console', 'pf')
redis.call('HSET', e, 'enabled', 0, 'last_seen', clock())
push_drop(T, id)
setup.drop(T, id)
ddm_forget(T, id)

if id == device then
    local gen, n = string.match(v[3] or '', '^(%d*)%.?(%d*)$')

    users = era_begin(T, id, gen .. '.' .. (tonumber(n) or 0) + 1)
end

old_sweep(T)
event(T, limit, 'mdm.CheckOut', id, {users = users}, raw)

return {0}
