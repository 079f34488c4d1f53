--@owes
--@args who address limit most uuid body
--@returns more seen changed queued lost
-- Carries the copy of the sets to the next channels of a partition.
-- most: channels at most; uuid, body: of the command that tells them (another
-- one each call)
-- {more (1: call again), channels looked at, changed, queued, and those whose
-- manifest cannot be made}
--@include event
--@include clock
--@include queue
--@include status
--@include era
--@include ddm
local T, most = KEYS[1], tonumber(most)
local ctx = {now = clock(), uuid = uuid, body = body, scan = 1, cost = 0,
             many = most}
local key = T .. ':ddm'
local v = redis.call('HMGET', key, 'rev', 'to', 'after', 'stop', 'turn', 'in')

-- What has come of newer changes is no state that the tenant ever had: with the
-- last page of them the scan goes on.

if not v[2] or v[1] == v[2] or v[6] then
    return {0, 0, 0, 0, 0}
end

-- from where the last call was, to the end, and from the start to where it was
-- when the copy changed last

local ids = redis.call('ZRANGEBYLEX', T .. ':ids', v[3] and '(' .. v[3] or '-',
                       v[5] and '[' .. v[4] or '+', 'LIMIT', 0, most)
local seen, changes, lost, told = 0, 0, 0, {}

for _, id in ipairs(ids) do
    if ctx.cost > ddm_budget then
        break
    end

    local plan = ddm_plan(T, id, ctx)

    if plan and plan.lost then
        lost = lost + 1
        plan = nil
    end

    if plan and plan.more then
        break
    end

    seen = seen + 1

    local changed, _, wanted = ddm_commit(T, id, ctx, plan)

    if changed then
        changes = changes + 1
    end

    if wanted and ddm_notify(T, id, ctx, plan) == 1 then
        told[#told + 1] = id
    end
end

ddm_refs.settle(T, ctx)

local more = (#ids == most or seen < #ids) and 1 or 0

if more == 1 then
    if seen > 0 then
        redis.call('HSET', key, 'after', ids[seen])
    end

elseif v[4] and not v[5] then
    redis.call('HSET', key, 'turn', 1)
    redis.call('HDEL', key, 'after')
    more = 1

else
    redis.call('HSET', key, 'rev', v[2])
    redis.call('HDEL', key, 'after', 'stop', 'turn', 'left')
end

if #told > 0 then
    event(T, limit, 'mdm.DeclarationsChanged', table.concat(told, ','),
          {command_uuid = ctx.uuid, rev = tonumber(v[2])})
end

return {more, seen, changes, #told, lost}
