--@owes
--@args who address limit device mark after uuid body
--@returns code mark after
-- Goes on where a device has said something new of itself, and that was too
-- much for one script: its channels are told.
-- mark, after: as the last call has answered them, "" at first; uuid, body: of
-- the command (another one each call)
-- {0}: that was all; {1, mark, after}: call again; {2, mark, after}: first
-- bring the copy what it lacks; {3, mark, after}: see ddm_channel
--@include event
--@include clock
--@include queue
--@include status
--@include era
--@include ddm
--@include facts
local T = KEYS[1]
local e = T .. ':e:' .. device
local now_mark = redis.call('HGET', e, 'df') or ''

if mark == '' then
    mark = now_mark
end

if mark == '' then
    return {0}
end

-- a user's id is that of the device, ":" and what is the user's own

local page = 100
local ctx = {now = clock(), uuid = uuid, body = body, cost = 0}
local first = after == '' or after == device
local ids = redis.call('ZRANGEBYLEX', T .. ':ids',
                       '(' .. (first and device .. ':' or after),
                       '(' .. device .. ';', 'LIMIT', 0, page)
local last = #ids < page

if after == '' then
    table.insert(ids, 1, device)
end

for i, id in ipairs(ids) do
    if i > 1 and ctx.cost > ddm_budget then
        return {1, mark, after}
    end

    local own = id == device
                or redis.call('HGET', T .. ':e:' .. id, 'parent') == device

    if own
        and facts_one(T, id, ctx, limit, string.sub(mark, -1) == 'u') == 1
    then
        return {ctx.half and 2 or ctx.lost and 3 or 1, mark, after}
    end

    ddm_cost(ctx, 2)
    after = id
end

if not last then
    return {1, mark, after}
end

-- what it has said meanwhile is looked at from the start

if now_mark == mark then
    redis.call('HDEL', e, 'df')
    return {0}
end

return {now_mark ~= '' and 1 or 0, now_mark, ''}
