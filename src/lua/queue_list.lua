--@readonly
--@args id most bytes offset cursor...
--@returns code next commands...
--@row commands uuid type body refusals enrollment
-- A page of a queue, oldest first.
-- most, bytes: entries and bytes at most; cursor: the UUID to go on with, and
-- those shown before it, newest first
-- {0, next UUID or "", uuid, RequestType, body, "first:tally" or "", block, …};
-- {-1}: not enrolled.  A renewal has no body here, but the name of the block
-- mdm_enrollment that it is made by; else ""
--@include era_of
local T, most, bytes = KEYS[1], tonumber(most), tonumber(bytes)
local list = T .. ':q:' .. id
local v = redis.call('HMGET', T .. ':e:' .. id, 'type', 'q', 'parent', 'era')

if not v[1] then
    return {-1}
end

if not v[2] or era_before(T, v[3], v[4]) == 2 then
    return {0, ''}
end

local function place(uuid)
    if uuid == v[2] then
        return 0
    end

    local n = redis.call('LPOS', list, uuid)

    return n and n + 1
end

-- The queue moves between pages.  Go on at the entry that was next; if it is
-- gone, behind the last shown one that is still there; if they all are, what
-- is left starts anew: nothing is left out, something may come twice.

local from = tonumber(offset)

if #ARGV >= cursor_at then
    from = place(ARGV[cursor_at])

    for i = cursor_at + 1, #ARGV do
        if from then
            break
        end

        from = place(ARGV[i])

        if from then
            from = from + 1
        end
    end

    from = from or 0
end

local uuids

if from == 0 then
    uuids = redis.call('LRANGE', list, 0, most - 1)
    table.insert(uuids, 1, v[2])
else
    uuids = redis.call('LRANGE', list, from - 1, from - 1 + most)
end

local reply, size, n = {0, ''}, 0, 0

for _, uuid in ipairs(uuids) do
    if n == most or size >= bytes then
        reply[2] = uuid
        break
    end

    local c = redis.call('HMGET', T .. ':c:' .. uuid, 'type', 'body', 'ref')
    local at = #reply

    reply[at + 1] = uuid
    reply[at + 2] = c[1] or ''
    reply[at + 3] = not c[3] and c[2] or ''
    reply[at + 4] = redis.call('HGET', T .. ':nn:' .. id, uuid) or ''
    reply[at + 5] = c[3] or ''

    size = size + #reply[at + 3]
    n = n + 1
end

return reply
