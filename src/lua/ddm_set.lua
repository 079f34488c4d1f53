-- A declaration in a set, or not.
-- ARGV: event limit, who, address, notify (0 or 1), set, id, in (1 or 0),
--       sets at most, declarations a set at most
-- {1}: changed, {0}: it is like that; {-1}: there is no such declaration;
-- {-2}: too many sets; {-3}: the set is full
--@include event
--@include ddm_change
local D, set, id = KEYS[1], ARGV[5], ARGV[6]
local key = D .. ':s:' .. set
local have = redis.call('SISMEMBER', key, id) == 1

if have == (ARGV[7] == '1') then
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
        and redis.call('ZCARD', D .. ':sets') >= tonumber(ARGV[8])
    then
        return {-2}
    end

    if redis.call('SCARD', key) >= tonumber(ARGV[9]) then
        return {-3}
    end

    redis.call('SADD', key, id)
    redis.call('SADD', D .. ':in:' .. id, set)
end

ddm_change(D, {set}, ARGV[4])
event(D, ARGV[1], 'api.Set', set,
      {by = ARGV[2], address = ARGV[3], declaration = id,
       change = have and 'removed' or 'added'})

return {1}
