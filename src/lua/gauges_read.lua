--@readonly
--@args partition
--@returns owed oldest dead enrollments events full dropped cost hooks
--@row hooks name lag oldest
-- What metrics say of a partition, or of another place that has an outbox.
-- partition: 1: it is one
-- {channels that are owed a push; since when (Unix ms) that is so for the one
-- among the first that waits longest, 0: for none; channels whose token is
-- dead; enrollments; entries of the outbox; how full it is, in thousandths of
-- its limit, 0: nobody has a place there; entries that had to go; microseconds
-- that this takes, about; of each webhook {its name, entries that it has not
-- acknowledged, about where there are many, Unix ms of the first of them, 0:
-- there is none, …}}
--@include outbox
local T = KEYS[1]
local stream = T .. ':events'

-- channels that are owed a push, and since when
local function pushes()
    local key, most = T .. ':push', 8
    local owed, oldest = redis.call('ZCARD', key), 0

    if owed == 0 then
        return 0, 0
    end

    -- those that are due first

    local first = redis.call('ZRANGE', key, 0, most - 1, 'WITHSCORES')

    for i = 1, #first, 2 do
        local id, score = first[i], tonumber(first[i + 1])
        local part = score % 1

        -- no push was taken since its newest command was queued

        if part < 0.5 then
            local since = part == 0 and math.floor(score)
            local uuid = redis.call('LRANGE', T .. ':q:' .. id, -1, -1)[1]
                         or redis.call('HGET', T .. ':e:' .. id, 'q')

            if uuid then
                local time = redis.call('HGET', T .. ':c:' .. uuid, 'time')

                since = time and tonumber(time) * 1000 or since
            end

            if since and (oldest == 0 or since < oldest) then
                oldest = since
            end
        end
    end

    return owed, oldest
end

-- What is behind a place is counted as far as a number of bytes goes, of all
-- webhooks together: beyond it, all that there is waits.
local events, room = redis.call('XLEN', stream), 65536
local cost = partition == '1' and 30 or 15

local function read(from, to, most)
    local list, all = outbox_range(stream, from, to, most, math.max(room, 1))

    cost = cost + 6 + 3 * #list

    for _, entry in ipairs(list) do
        local size = outbox_size(entry)

        room = room - size
        cost = cost + math.floor(size / 400)
    end

    return list, all
end

-- how many, and since when; "ahead": of one that is further
local function behind(place, ahead)
    if room <= -1000000 then
        return {events, ahead[2]}
    end

    local list, all = read('(' .. place, '+', room > 0 and 100 or 1)
    local lag = #list

    -- what everybody has acknowledged may still be there

    if not all then
        lag = events - (room > 0 and #read('-', place, 100) or 0)
    end

    return {lag, list[1] and string.match(list[1][1], '^%d+') or '0'}
end

local all, fields, places = redis.call('HGETALL', T .. ':out'), {}, {}

for i = 1, #all, 2 do
    local name = string.match(all[i], '^h:(.*)$')
    local place = name and string.match(all[i + 1], '^%d+%-%d+')

    fields[all[i]] = all[i + 1]

    if place then
        places[#places + 1] = {name, place}
    end
end

-- most are at one place, and who is far behind may need all the room

table.sort(places, function(a, b) return outbox_before(b[2], a[2]) end)

local hooks, known, last = {}, nil, nil

for _, p in ipairs(places) do
    if p[2] ~= last then
        known, last = behind(p[2], known), p[2]
    end

    cost = cost + 8

    hooks[#hooks + 1] = p[1]
    hooks[#hooks + 1] = known[1]
    hooks[#hooks + 1] = known[2]
end

local limit, owed, oldest = tonumber(fields.limit or '0'), 0, 0
local dead, ids = 0, 0

if partition == '1' then
    owed, oldest = pushes()
    dead = redis.call('SCARD', T .. ':pd')
    ids = redis.call('ZCARD', T .. ':ids')
end

return {owed, string.format('%.0f', oldest), dead, ids, events,
        limit > 0 and math.floor(events * 1000 / limit) or 0,
        fields.dropped or '0', cost, hooks}
