-- What a set says beside its declarations: "f" its filter, "sub" the status
-- items it subscribes to.
-- ARGV: event limit, who, address, notify (0 or 1), set, which, value (JSON;
--       "": none), sets at most
-- {1}: changed, {0}: it is like that; {-2}: too many sets
--@include event
--@include ddm_change
local D, set, which, value = KEYS[1], ARGV[5], ARGV[6], ARGV[7]
local key = D .. ':' .. which .. ':' .. set

if (redis.call('GET', key) or '') == value then
    return {0}
end

if not redis.call('ZSCORE', D .. ':sets', set)
    and redis.call('ZCARD', D .. ':sets') >= tonumber(ARGV[8])
then
    return {-2}
end

if value == '' then
    redis.call('DEL', key)
else
    redis.call('SET', key, value)
end

ddm_change(D, {set}, ARGV[4])
event(D, ARGV[1], 'api.Set', set,
      {by = ARGV[2], address = ARGV[3],
       change = (which == 'f' and 'filter' or 'subscriptions')})

return {1}
