--@readonly
-- A page of a queue, oldest first.
-- ARGV: id, entries at most, bytes at most, offset, then of a cursor: the
--       UUID to go on with, and those shown before it, newest first
-- {0, next UUID or "", uuid, RequestType, body, "first:tally" or "", …};
-- {-1}: not enrolled
--@include era_of
local T, id, most, bytes = KEYS[1], ARGV[1], tonumber(ARGV[2]),
                           tonumber(ARGV[3])
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

local from = tonumber(ARGV[4])

if #ARGV > 4 then
    from = place(ARGV[5])

    for i = 6, #ARGV do
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

    local c = redis.call('HMGET', T .. ':c:' .. uuid, 'type', 'body')
    local at = #reply

    reply[at + 1] = uuid
    reply[at + 2] = c[1] or ''
    reply[at + 3] = c[2] or ''
    reply[at + 4] = redis.call('HGET', T .. ':nn:' .. id, uuid) or ''

    size = size + #reply[at + 3]
    n = n + 1
end

return reply
