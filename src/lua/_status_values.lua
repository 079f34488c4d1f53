-- The values of a channel, each as "report JSON", or " JSON": the last full
-- report has said it.  T:s:<id> holds what the encoding of small hashes takes,
-- so that it stays small; T:sl:<id> what is longer, and what a full report need
-- not speak of.

-- As full reports do not always speak of declarations, nor of what the client
-- can do, what was said of them stays then.
local function status_apart(place)
    return string.sub(place, 1, 24) == 'management.declarations.' and 'd'
           or place == 'management.client-capabilities' and 'c'
end

-- hash-max-listpack-value is 64 unless somebody has changed it
local function status_long(place, size)
    return size > 64 or #place > 64 or status_apart(place) and true or false
end

-- a name of a report has 16 digits
local function status_json(kept)
    return string.sub(kept, string.byte(kept) == 32 and 2 or 18)
end

-- what is kept at a place, or false
local function status_value(T, id, place)
    return redis.call('HGET', T .. ':s:' .. id, place)
           or redis.call('HGET', T .. ':sl:' .. id, place)
end

local function status_count(T, id)
    return redis.call('HLEN', T .. ':s:' .. id)
           + redis.call('HLEN', T .. ':sl:' .. id)
end

-- Goes on through the values from a cursor, "" at first, while there is room,
-- room.values and room.bytes; calls each(place, kept).  A value may come twice.
-- Returns the next cursor; "": there are no more.
local function status_walk(T, id, cursor, room, each)
    local which, at = string.match(cursor, '^([sl])(%d+)$')

    which, at = which or 's', at or '0'

    while room.values > 0 and room.bytes > 0 do

        -- a long value may be of any length

        local short = which == 's'
        local v = redis.call('HSCAN', T .. (short and ':s:' or ':sl:') .. id,
                             at, 'COUNT', short and 500 or 8)
        local list = v[2]

        for i = 1, #list, 2 do
            each(list[i], list[i + 1])
            room.bytes = room.bytes - #list[i] - #list[i + 1]
        end

        room.values = room.values - #list / 2
        at = v[1]

        if at == '0' then
            if not short then
                return ''
            end

            which = 'l'
        end
    end

    return which .. at
end
