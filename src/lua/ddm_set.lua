--@refuses
--@args who address limit notify set id member most_sets most
--@returns code
-- A declaration in a set, or not.
-- notify: 0 or 1; member: 1: in it; most_sets, most: sets at most,
-- declarations a set at most
-- {1}: changed, {0}: it is like that; {-1}: there is no such declaration;
-- {-2}: too many sets; {-3}: the set is full; {-100, …}: see
-- outbox_full()
--@include event
--@include ddm_change
--@include outbox_full
local D = KEYS[1]
local key = D .. ':s:' .. set
local have = redis.call('SISMEMBER', key, id) == 1

if have == (member == '1') then
    return {0}
end

if have then
    redis.call('SREM', key, id)
    redis.call('SREM', D .. ':in:' .. id, set)

else
    if redis.call('EXISTS', D .. ':d:' .. id) == 0 then
        return {-1}
    end

    if not redis.call('ZSCORE', D .. ':sets', set)
        and redis.call('ZCARD', D .. ':sets') >= tonumber(most_sets)
    then
        return {-2}
    end

    if redis.call('SCARD', key) >= tonumber(most) then
        return {-3}
    end

    local full = outbox_full(D, limit)

    if full then
        return full
    end

    redis.call('SADD', key, id)
    redis.call('SADD', D .. ':in:' .. id, set)
end

local rev = ddm_change(D, {set}, notify)
local others = redis.call('SCARD', D .. ':in:' .. id)

redis.call('ZADD', D .. ':defs', rev, set)

if have and others == 0 then
    ddm_row(D, id, rev)
    redis.call('ZADD', D .. ':gone', rev, id)

elseif not have and others == 1 then
    ddm_row(D, id, rev)
    redis.call('ZREM', D .. ':gone', id)
end

event(D, limit, 'api.Set', set,
      {by = who, address = address, declaration = id,
       change = have and 'removed' or 'added'})

return {1}
