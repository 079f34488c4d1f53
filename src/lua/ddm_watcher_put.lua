--@refuses
--@args who address limit notify name value most
--@returns code
-- A watcher of status values, or none of this name any more.
-- notify: not used: devices do not see it; value: JSON, or "": none; most:
-- watchers at most
-- {1}: changed, {0}: it is like that; {-2}: there are too many; {-100, …}: see
-- outbox_full()
--@include event
--@include outbox_full
local D = KEYS[1]
local old = redis.call('HGET', D .. ':w', name)

if (old or '') == value then
    return {0}
end

if not old and redis.call('HLEN', D .. ':w') >= tonumber(most) then
    return {-2}
end

local full = value ~= '' and outbox_full(D, limit)

if full then
    return full
end

if value == '' then
    redis.call('HDEL', D .. ':w', name)
else
    redis.call('HSET', D .. ':w', name, value)
end

-- partitions have a copy of all watchers, which goes by the revision

redis.call('HSET', D .. ':meta', 'wrev',
           redis.call('HINCRBY', D .. ':meta', 'rev', 1))
event(D, limit, 'api.Watcher', name,
      {by = who, address = address,
       change = value == '' and 'deleted' or old and 'changed' or 'new'})

return {1}
