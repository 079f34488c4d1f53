--@refuses
--@args who address limit notify set which value most
--@returns code
-- What a set says beside its declarations: "f" its filter, "sub" the status
-- items it subscribes to.
-- notify: 0 or 1; value: JSON, or "": none; most: sets at most
-- {1}: changed, {0}: it is like that; {-2}: too many sets; {-100, …}: see
-- outbox_full()
--@include event
--@include ddm_change
--@include outbox_full
local D = KEYS[1]
local key = D .. ':' .. which .. ':' .. set

if (redis.call('GET', key) or '') == value then
    return {0}
end

if not redis.call('ZSCORE', D .. ':sets', set)
    and redis.call('ZCARD', D .. ':sets') >= tonumber(most)
then
    return {-2}
end

local full = value ~= '' and outbox_full(D, limit)

if full then
    return full
end

if value == '' then
    redis.call('DEL', key)
else
    redis.call('SET', key, value)
end

redis.call('ZADD', D .. ':defs', ddm_change(D, {set}, notify), set)
event(D, limit, 'api.Set', set,
      {by = who, address = address,
       change = (which == 'f' and 'filter' or 'subscriptions')})

return {1}
