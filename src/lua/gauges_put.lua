--@volatile
--@onekey
--@args tenant owed oldest dead enrollments quiet events full dropped nhooks
--@args rows...
--@returns tenants
-- Stores what was read of all partitions of a tenant.
-- KEYS[1]: mdm:{work}; oldest: Unix ms, 0: none; quiet: seconds after which
-- nobody reads it any more; events, full, dropped: of all outboxes, see
-- gauges_read; nhooks: how many webhooks there are; rows: of each its name,
-- events that it has not acknowledged and since when (Unix ms, 0: none); then
-- topic (key form), not_after, stopped, …
-- {how many tenants there are; 0: nobody reads it}
--@include time
local key = KEYS[1] .. ':gauges'
local now = tonumber(time[1])
local read = tonumber(redis.call('HGET', key, 'read') or '0')
local topics, hooks = {}, {events, full}
local behind = rows_at + 3 * tonumber(nhooks)

for i = rows_at, behind - 1 do
    hooks[#hooks + 1] = ARGV[i]
end

for i = behind, #ARGV do
    topics[#topics + 1] = ARGV[i]
end

if now - read > tonumber(quiet) then
    redis.call('HDEL', key, 'v ' .. tenant, 't ' .. tenant,
               'o ' .. tenant)

    return {0}
end

-- Outboxes tell how many had to go as long as somebody has a place there; what
-- has come to it is added up, and does not become less.

local before = redis.call('HGET', key, 'd ' .. tenant) or '0'

if dropped ~= before then
    if tonumber(dropped) > tonumber(before) then
        redis.call('HINCRBY', key, 'dropped',
                   string.format('%.0f', dropped - before))
    end

    if dropped == '0' then
        redis.call('HDEL', key, 'd ' .. tenant)
    else
        redis.call('HSET', key, 'd ' .. tenant, dropped)
    end
end

redis.call('HSET', key, 'v ' .. tenant,
           table.concat({now, owed, oldest, dead, enrollments}, ' '),
           't ' .. tenant, table.concat(topics, ' '),
           'o ' .. tenant, table.concat(hooks, ' '))

return {math.max(1, redis.call('ZCARD', KEYS[1] .. ':due:gauges'))}
