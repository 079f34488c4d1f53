-- A watcher of status values, or none of this name any more.
-- ARGV: event limit, who, address, notify (not used: devices do not see it),
--       name, value (JSON; "": none), watchers at most
-- {1}: changed, {0}: it is like that; {-2}: there are too many
--@include event
local D, name, value = KEYS[1], ARGV[5], ARGV[6]
local old = redis.call('HGET', D .. ':w', name)

if (old or '') == value then
    return {0}
end

if not old and redis.call('HLEN', D .. ':w') >= tonumber(ARGV[7]) then
    return {-2}
end

if value == '' then
    redis.call('HDEL', D .. ':w', name)
else
    redis.call('HSET', D .. ':w', name, value)
end

-- partitions have a copy of all watchers, which goes by the revision

redis.call('HSET', D .. ':meta', 'wrev',
           redis.call('HINCRBY', D .. ':meta', 'rev', 1))
event(D, ARGV[1], 'api.Watcher', name,
      {by = ARGV[2], address = ARGV[3],
       change = value == '' and 'deleted' or old and 'changed' or 'new'})

return {1}
