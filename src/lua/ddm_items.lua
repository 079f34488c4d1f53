--@volatile
--@args id device cert
--@returns code items
-- The manifest of a channel.  With it the one handed out before is over.
-- {0, declaration-items (JSON; "": no declarations)}; {code of auth()};
-- {-5}: it is gone, which only a hand in the keys can do
--@include auth
--@include era_of
local T = KEYS[1]
local e = T .. ':e:' .. id
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

local v = redis.call('HMGET', e, 'dt', 'dm', 'parent', 'era')
local items = ''

if era_before(T, v[3], v[4]) ~= 0 then
    return {0, ''}
end

if v[1] then
    items = redis.call('HGET', T .. ':dm:' .. v[1], 'items')

    if not items then
        return {-5}
    end
end

if v[2] then
    redis.call('HDEL', e, 'dm')
end

return {0, items}
