--@args who address limit most uuid body
--@returns more seen changed queued
-- Carries the replica to the next channels of a partition.
-- most: channels at most; uuid, body: of the command that tells them (another
-- one each call)
-- {more (1: call again), channels looked at, changed, queued}
--@include event
--@include clock
--@include queue
--@include status
--@include era
--@include ddm
local T, most = KEYS[1], tonumber(most)
local ctx = {now = clock(), uuid = uuid, body = body, scan = 1, cost = 0}
local key = T .. ':ddm'
local v = redis.call('HMGET', key, 'rev', 'to', 'after')

if not v[2] or v[1] == v[2] then
    return {0, 0, 0, 0}
end

local ids = redis.call('ZRANGEBYLEX', T .. ':ids', v[3] and '(' .. v[3] or '-',
                       '+', 'LIMIT', 0, most)
local seen, changes, told = 0, 0, {}

for _, id in ipairs(ids) do

    -- variables make manifests that are each other's like in nothing

    if ctx.cost > 1000 then
        break
    end

    seen = seen + 1

    local changed, _, wanted = ddm_refresh(T, id, ctx)

    if changed then
        changes = changes + 1
    end

    if wanted and ddm_notify(T, id, ctx) == 1 then
        told[#told + 1] = id
    end
end

local more = (#ids == most or seen < #ids) and 1 or 0

if more == 1 then
    redis.call('HSET', key, 'after', ids[seen])
else
    redis.call('HSET', key, 'rev', v[2])
    redis.call('HDEL', key, 'after', 'from', 'sets', 'of')
end

if #told > 0 then
    event(T, limit, 'mdm.DeclarationsChanged', table.concat(told, ','),
          {command_uuid = ctx.uuid, rev = tonumber(v[2])})
end

return {more, seen, changes, #told}
