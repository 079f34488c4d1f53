--@args who address limit notify id
--@returns code id
-- Takes a declaration away that nothing needs any more.  notify: not used
-- {1}; {-1}: there is none; {-2, set}: it is in a set; {-3, id}: another one
-- refers to it
--@include event
--@include ddm_change
local D = KEYS[1]
local key = D .. ':d:' .. id
local v = redis.call('HMGET', key, 'type', 'refs')

if not v[1] then
    return {-1}
end

local set = redis.call('SRANDMEMBER', D .. ':in:' .. id)

if set then
    return {-2, set}
end

for _, other in ipairs(redis.call('SMEMBERS', D .. ':by:' .. id)) do
    if other ~= id then
        return {-3, other}
    end
end

ddm_retire(D, id)

for ref in string.gmatch(v[2] or '', '[^,]+') do
    redis.call('SREM', D .. ':by:' .. ref, id)
end

redis.call('DEL', key)
redis.call('ZREM', D .. ':ids', id)
event(D, limit, 'api.Declaration', id,
      {by = who, address = address, type = v[1], change = 'deleted'})

return {1}
