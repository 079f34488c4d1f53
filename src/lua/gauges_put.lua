--@volatile
--@onekey
--@args tenant owed oldest dead enrollments cost quiet events full dropped
--@args nhooks rows...
--@returns tenants cost
-- Stores what was read of all partitions of a tenant.
-- KEYS[1]: mdm:{work}; oldest: Unix ms, 0: none; cost:
-- microseconds of Redis that reading it takes; quiet: seconds after which
-- nobody reads it any more; events, full, dropped: of all outboxes, see
-- gauges_read; nhooks: how many webhooks there are; rows: of each its name,
-- events that it has not acknowledged and since when (Unix ms, 0: none); then
-- topic (key form), not_after, stopped, …
-- {how many tenants there are, 0: nobody reads it; microseconds that reading
-- those takes that were read}
--@include time
local key = KEYS[1] .. ':gauges'
local now = tonumber(time[1])
local read = tonumber(redis.call('HGET', key, 'read') or '')
local topics, hooks = {}, {events, full}
local behind = rows_at + 3 * tonumber(nhooks)

-- how long it has waited is said as of now: it may be read much later

local function waits(since)
    if since == '0' then
        return since
    end

    return string.format('%.0f', math.max(0,
        now * 1000 + math.floor(tonumber(time[2]) / 1000) - tonumber(since)))
end

for i = rows_at, behind - 1, 3 do
    hooks[#hooks + 1] = ARGV[i]
    hooks[#hooks + 1] = ARGV[i + 1]
    hooks[#hooks + 1] = waits(ARGV[i + 2])
end

for i = behind, #ARGV do
    topics[#topics + 1] = ARGV[i]
end

local told = redis.call('HMGET', key, 'v ' .. tenant, 'o ' .. tenant,
                        'd ' .. tenant)

-- adds what it costs now, instead of before
local function costs(new)
    local old = string.match(told[1] or '', '^%d+ %d+ %d+ %d+ %d+ (%d+)$')
    local sum = redis.call('HINCRBY', key, 'cost',
                           string.format('%.0f', new - (old or 0)))

    if sum <= 0 then
        redis.call('HDEL', key, 'cost')
    end

    return math.max(sum, 0)
end

-- where Redis has forgotten that somebody reads it, he may not bring the tenant
-- again: a worker brings those that it has seen

if not read then
    read = now
    redis.call('HSET', key, 'read', now)
end

if now - read > tonumber(quiet) then
    costs(0)
    redis.call('HDEL', key, 'v ' .. tenant, 't ' .. tenant,
               'o ' .. tenant)

    return {0, 0}
end

-- Outboxes tell how many had to go as long as somebody has a place there; what
-- has come to it is added up, and does not become less.  What a tenant tells
-- first may be of long ago.

local before = told[3] or (told[1] or told[2]) and '0' or dropped

if tonumber(dropped) > tonumber(before) then
    redis.call('HINCRBY', key, 'dropped',
               string.format('%.0f', dropped - before))
end

local sum = costs(tonumber(cost))

redis.call('HSET', key, 'v ' .. tenant,
           table.concat({now, owed, waits(oldest), dead, enrollments, cost},
                        ' '),
           't ' .. tenant, table.concat(topics, ' '),
           'o ' .. tenant, table.concat(hooks, ' '),
           'd ' .. tenant, dropped)

return {math.max(1, redis.call('ZCARD', KEYS[1] .. ':due:gauges')), sum}
