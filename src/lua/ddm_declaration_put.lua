-- A declaration as an administrator wants it.
-- ARGV: event limit, who, address, notify (0 or 1), id, kind, type, payload,
--       variables, ids it refers to (parted by commas), check these (0 or 1),
--       declarations at most
-- {1}: changed, {0}: it is like that; {-1, id}: it refers to one that is not
-- there; {-2}: there are too many; {-3, id}: it refers to one that is no
-- configuration, or no asset
--@include event
--@include ddm_change
local D, id, kind, type_, payload = KEYS[1], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local key = D .. ':d:' .. id
local old = redis.call('HMGET', key, 'type', 'payload', 'touch', 'refs')

if old[1] == type_ and old[2] == payload then
    return {0}
end

if ARGV[11] == '1' then
    for ref in string.gmatch(ARGV[10], '[^,]+') do
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

if not old[1] and redis.call('ZCARD', D .. ':ids') >= tonumber(ARGV[12]) then
    return {-2}
end

local touch = old[3] or '0'

ddm_retire(D, id)

for ref in string.gmatch(old[4] or '', '[^,]+') do
    redis.call('SREM', D .. ':by:' .. ref, id)
end

for ref in string.gmatch(ARGV[10], '[^,]+') do
    redis.call('SADD', D .. ':by:' .. ref, id)
end

redis.call('HSET', key, 'kind', kind, 'type', type_, 'payload', payload,
           'vars', ARGV[9], 'refs', ARGV[10], 'touch', touch,
           'time', redis.call('TIME')[1], 'token',
           redis.sha1hex(type_ .. '\n' .. payload .. '\n' .. touch))
redis.call('ZADD', D .. ':ids', 0, id)

ddm_change(D, redis.call('SMEMBERS', D .. ':in:' .. id), ARGV[4])
event(D, ARGV[1], 'api.Declaration', id,
      {by = ARGV[2], address = ARGV[3], type = type_,
       change = old[1] and 'changed' or 'new'})

return {1}
