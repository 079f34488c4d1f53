--@refuses
--@args who address limit notify id kind name payload vars refs wants unknown
--@args check most most_vars
--@returns code problems...
--@row problems at type
-- A declaration as an administrator wants it.
-- notify: 0 or 1; name: its type; vars, refs: variables, and ids it refers to,
-- parted by commas; wants: "id type|type" likewise, where a type may be a
-- beginning that ends in a dot; unknown: variables that no channel has by
-- itself; check: 1: are wants and unknown there, 2: else it is refused; most:
-- declarations at most; most_vars: names of variables that are remembered
-- {1, problems}: changed, {0, problems}: it is like that; {-1, problems}: it
-- is refused; {-2}: there are too many; {-4, set}, {-5, id}: it is of another
-- kind than before, and in a set, or another one refers to it.  A problem:
-- which one of wants and unknown, from 0, and the type that it has, or "".
-- {-100, …}: see outbox_full()
--@include event
--@include ddm_change
--@include outbox_full
local D = KEYS[1]
local key = D .. ':d:' .. id
local old = redis.call('HMGET', key, 'type', 'payload', 'touch', 'refs',
                       'kind')

if old[1] and old[5] ~= kind then
    local set = redis.call('SRANDMEMBER', D .. ':in:' .. id)

    if set then
        return {-4, set}
    end

    -- two of them: one may be itself

    for _, other in ipairs(redis.call('SRANDMEMBER', D .. ':by:' .. id, 2)) do
        if other ~= id then
            return {-5, other}
        end
    end
end

local reply, at = {1}, 0

local function problem(type)
    reply[#reply + 1] = at
    reply[#reply + 1] = type
end

for ref, types in string.gmatch(check ~= '0' and wants or '',
                                '([^, ]+) ([^,]+)')
do
    local is = ref == id and name
               or redis.call('HGET', D .. ':d:' .. ref, 'type') or ''
    local fits = false

    for type in string.gmatch(types, '[^|]+') do
        fits = fits or is == type
               or string.sub(type, -1) == '.'
                  and string.sub(is, 1, #type) == type
    end

    if not fits then
        problem(is)
    end

    at = at + 1
end

-- where not all names are remembered, any may be one of the others

if check ~= '0' and unknown ~= ''
    and redis.call('SCARD', D .. ':vars') < tonumber(most_vars)
then
    for var in string.gmatch(unknown, '[^,]+') do
        if redis.call('SISMEMBER', D .. ':vars', var) == 0 then
            problem('')
        end

        at = at + 1
    end
end

if check == '2' and #reply > 1 then
    reply[1] = -1

    return reply
end

if old[1] == name and old[2] == payload then
    reply[1] = 0

    return reply
end

if not old[1] and redis.call('ZCARD', D .. ':ids') >= tonumber(most) then
    return {-2}
end

local full = outbox_full(D, limit)

if full then
    return full
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

ddm_row(D, id, ddm_change(D, redis.call('SMEMBERS', D .. ':in:' .. id),
                          notify))
event(D, limit, 'api.Declaration', id,
      {by = who, address = address, type = name,
       change = old[1] and 'changed' or 'new'})

return reply
