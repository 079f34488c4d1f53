--@args who address limit device cert token names raw
--@returns code token
-- SetBootstrapToken; an empty one deletes what is kept.
-- names: those of the token, see same(); raw: the message, or ""
-- {0} or {code of auth()}; {-20, token}: a plain one is kept, see same()
--@include event
--@include auth
--@include same
local T = KEYS[1]
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

local key = T .. ':u:' .. device
local old = redis.call('HGET', key, 'bootstrap')
local known = old and same(old, token, names)

if known == nil then
    return {-20, old}
end

-- the device has set or deleted it itself, so nothing is withheld any more

redis.call('HDEL', key, 'bootstrap_held')

if known then
    if old ~= token then
        redis.call('HSET', key, 'bootstrap', token)
    end

    return {0}
end

if token ~= '' then
    local gen = redis.call('HGET', T .. ':e:' .. device, 'gen') or '0'
    redis.call('HSET', key, 'bootstrap', token, 'bootstrap_gen', gen)

elseif redis.call('HDEL', key, 'bootstrap', 'bootstrap_gen') == 0 then
    return {0}
end

seen(T, device, clock())
event(T, limit, 'mdm.SetBootstrapToken', device, {deleted = token == ''}, raw)

return {0}
