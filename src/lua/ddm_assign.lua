--@owes
--@refuses
--@args who address limit id notify uuid body what ops...
--@returns code changed|prefix queued rev
-- Changes what an administrator assigned to a channel, which need not be
-- enrolled yet, and what follows from it.
-- notify: 1: it is told by the command uuid, body; what: name of the event;
-- ops: op, field, value, …; op "set", "delete", or "clear": all fields that
-- begin so
-- {0, 1: something changed, 1: a command was queued, rev that all channels of
-- the partition have (-1: none)}; {1}: call again, with the same; {3}: see
-- ddm_channel; {-1, prefix}: too many of these; {-100, …}: see
-- outbox_full()
--@include event
--@include clock
--@include queue
--@include status
--@include era
--@include ddm
--@include outbox_full
local T = KEYS[1]
local key = T .. ':d:' .. id
local most = {['s:'] = 100, ['t:'] = 64, ['v:'] = 64}
local old = redis.call('HGETALL', key)
local was, now, count = {}, {}, {}

for i = 1, #old, 2 do
    was[old[i]] = old[i + 1]
    now[old[i]] = old[i + 1]
end

for i = ops_at, #ARGV - 2, 3 do
    local op, field = ARGV[i], ARGV[i + 1]

    if op == 'set' then
        now[field] = ARGV[i + 2]

    elseif op == 'delete' then
        now[field] = nil

    else
        for name in pairs(was) do
            if string.sub(name, 1, #field) == field then
                now[name] = nil
            end
        end
    end
end

local given, taken = {}, {}

for field, value in pairs(now) do
    local prefix = string.sub(field, 1, 2)

    count[prefix] = (count[prefix] or 0) + 1

    if was[field] ~= value then
        given[#given + 1] = field
    end
end

for field in pairs(was) do
    if not now[field] then
        taken[#taken + 1] = field
    end
end

if #given > 0 then
    for prefix, n in pairs(most) do
        if (count[prefix] or 0) > n then
            return {-1, prefix}
        end
    end
end

local ctx = {now = clock(), uuid = uuid, body = body,
             quiet = notify ~= '1'}

if #given + #taken == 0 then
    ddm_open(T, ctx)

    return {0, 0, 0, tonumber(ctx.rev or '-1')}
end

local full = #given > 0 and outbox_full(T, limit)

if full then
    return full
end

local assigned = {}

for field, value in pairs(now) do
    assigned[#assigned + 1] = field
    assigned[#assigned + 1] = value
end

local plan = ddm_plan(T, id, ctx, assigned)

if plan and plan.more then
    return {ctx.half and 2 or ctx.lost and 3 or 1}
end

table.sort(given)
table.sort(taken)

for _, field in ipairs(given) do
    redis.call('HSET', key, field, now[field])
end

for _, field in ipairs(taken) do
    redis.call('HDEL', key, field)
end

local changed, _, wanted = ddm_commit(T, id, ctx, plan)
local queued = 0

if changed and notify == '1' or wanted then
    queued = ddm_notify(T, id, ctx, plan)
end

-- names alone: a value may be a secret

event(T, limit, what, id,
      {by = who, address = address,
       given = #given > 0 and given or nil,
       taken = #taken > 0 and taken or nil,
       command_uuid = queued == 1 and ctx.uuid or nil})

return {0, 1, queued, tonumber(ctx.rev or '-1')}
