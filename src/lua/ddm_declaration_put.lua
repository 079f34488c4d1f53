--@args who address limit notify id kind name payload vars refs check most
--@returns code id
-- A declaration as an administrator wants it.
-- notify: 0 or 1; name: its type; vars, refs: variables, and ids it refers to,
-- parted by commas; check: 1: are these there; most: declarations at most
-- {1}: changed, {0}: it is like that; {-1, id}: it refers to one that is not
-- there; {-2}: there are too many; {-3, id}: it refers to one that is no
-- configuration, or no asset
--@include event
--@include ddm_change
local D = KEYS[1]
local key = D .. ':d:' .. id
local old = redis.call('HMGET', key, 'type', 'payload', 'touch', 'refs')

if old[1] == name and old[2] == payload then
    return {0}
end

if check == '1' then
    for ref in string.gmatch(refs, '[^,]+') do
        local is = kind

        if ref ~= id then
            is = redis.call('HGET', D .. ':d:' .. ref, 'kind')
        end

        if not is then
            return {-1, ref}
        end

        if is ~= (kind == 'a' and 'c' or 's') then
            return {-3, ref}
        end
    end
end

if not old[1] and redis.call('ZCARD', D .. ':ids') >= tonumber(most) then
    return {-2}
end

local touch = old[3] or '0'

ddm_retire(D, id)

for ref in string.gmatch(old[4] or '', '[^,]+') do
    redis.call('SREM', D .. ':by:' .. ref, id)
end

for ref in string.gmatch(refs, '[^,]+') do
    redis.call('SADD', D .. ':by:' .. ref, id)
end

--@include time
redis.call('HSET', key, 'kind', kind, 'type', name, 'payload', payload,
           'vars', vars, 'refs', refs, 'touch', touch,
           'time', time[1], 'token',
           redis.sha1hex(name .. '\n' .. payload .. '\n' .. touch))
redis.call('ZADD', D .. ':ids', 0, id)

ddm_change(D, redis.call('SMEMBERS', D .. ':in:' .. id), notify)
event(D, limit, 'api.Declaration', id,
      {by = who, address = address, type = name,
       change = old[1] and 'changed' or 'new'})

return {1}
