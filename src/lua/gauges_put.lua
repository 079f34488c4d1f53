--@volatile
--@onekey
--@args tenant owed oldest dead enrollments quiet topics...
--@returns tenants
-- Stores what was read of all partitions of a tenant.
-- KEYS[1]: mdm:{work}; oldest: Unix ms, 0: none; quiet: seconds after which
-- nobody reads it any more; topics: topic (key form), not_after, stopped, …
-- {how many tenants there are; 0: nobody reads it}
--@include time
local key = KEYS[1] .. ':gauges'
local now = tonumber(time[1])
local read = tonumber(redis.call('HGET', key, 'read') or '0')
local topics = {}

for i = topics_at, #ARGV do
    topics[#topics + 1] = ARGV[i]
end

if now - read > tonumber(quiet) then
    redis.call('HDEL', key, 'v ' .. tenant, 't ' .. tenant)

    return {0}
end

redis.call('HSET', key, 'v ' .. tenant,
           table.concat({now, owed, oldest, dead, enrollments}, ' '),
           't ' .. tenant, table.concat(topics, ' '))

return {math.max(1, redis.call('ZCARD', KEYS[1] .. ':due:gauges'))}
