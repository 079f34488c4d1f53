-- Who reads the stream T:events, and how far he is.  The hash T:out has
--
--   h:<name>   of a webhook: "id ms": the last entry that it has acknowledged,
--              and when
--   g:<name>   the same of a consumer group that mdm_event_group names
--   l:<name>   "runner ms": who sends for the webhook, until when
--   f:<name>   "attempts first next entry body" of its next entry, which could
--              not be delivered: since and until when, in ms, its id, and how
--              many of the answers said that the body is the trouble
--   s:<name>   "status ms success failed skipped": the last answer and when,
--              the last success, attempts that were none, and events that were
--              put aside; e:<name>: "ms error", the last one
--   x:<field>  1: who holds back nothing any more
--   w          1: that it fills was said; dropped: entries that had to go
--   limit      how many entries the hosts keep that know a webhook or a group;
--              one that knows none keeps as many

--@include clock

local function outbox_now()
    local time = clock_time()

    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Redis that has reached maxmemory refuses the first write of a script if that
-- may need memory, and none behind one that needs none: what takes away from it
-- begins with this.
local function outbox_begin(T)
    redis.call('HDEL', T .. ':out', '')
end

-- Unix milliseconds without an exponent
local function outbox_ms(ms)
    return string.format('%.0f', ms)
end

local function outbox_before(a, b)
    local a_ms, a_n = string.match(a, '^(%d+)-(%d+)$')
    local b_ms, b_n = string.match(b, '^(%d+)-(%d+)$')

    if a_ms ~= b_ms then
        return tonumber(a_ms) < tonumber(b_ms)
    end

    return tonumber(a_n) < tonumber(b_n)
end

-- those that are there for the first time: name, where it begins, …
local function outbox_register(T, now, first)
    local names = {}

    for i = first, #ARGV - 1, 2 do
        names[#names + 1] = ARGV[i]
    end

    if #names == 0 then
        return
    end

    local known = redis.call('HMGET', T .. ':out', unpack(names))

    for i, name in ipairs(names) do
        if not known[i] then
            redis.call('HSET', T .. ':out', name,
                       ARGV[first + 2 * i - 1] .. ' ' .. outbox_ms(now))
        end
    end
end

local function outbox_keep(T, most)
    if redis.call('HGET', T .. ':out', 'limit') ~= most then
        redis.call('HSET', T .. ':out', 'limit', most)
    end
end

-- the parts of f:<name>; nil where there is none
local function outbox_failed(value)
    local n, first, next, entry, body
        = string.match(value or '', '^(%d+) (%d+) (%d+) (%S+) (%d+)$')

    return tonumber(n), tonumber(first), tonumber(next), entry, tonumber(body)
end

-- what an entry has, roughly, in bytes
local function outbox_size(entry)
    local size = 64

    for _, value in ipairs(entry[2]) do
        size = size + #value
    end

    return size
end

-- Entries from one to another one, at most so many; stops soon behind that
-- which makes them as large as "room": what a step reads is bounded.  Returns
-- them, and if that are all.
local function outbox_range(stream, from, to, most, room)
    local list = {}

    while #list < most and room > 0 do
        local some = math.min(4, most - #list)
        local part = redis.call('XRANGE', stream, from, to, 'COUNT', some)

        for _, entry in ipairs(part) do
            list[#list + 1] = entry
            room = room - outbox_size(entry)
        end

        if #part < some then
            return list, true
        end

        from = '(' .. part[some][1]
    end

    return list, false
end

-- the last id that may be before this one
local function outbox_ahead(id)
    local ms, n = string.match(id, '^(%d+)-(%d+)$')

    if n ~= '0' then
        return string.format('%s-%.0f', ms, tonumber(n) - 1)
    end

    return outbox_ms(tonumber(ms) - 1) .. '-18446744073709551615'
end

-- where the groups of the stream are that T:out has: what is pending is not
-- acknowledged
local function outbox_groups(T, fields)
    local stream, places = T .. ':events', {}

    if redis.call('EXISTS', stream) == 0 then
        return places
    end

    for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
        local group = {}

        for i = 1, #info, 2 do
            group[info[i]] = info[i + 1]
        end

        places[group.name] = group['last-delivered-id']

        if fields['g:' .. group.name] and group.pending > 0 then
            local pending = redis.call('XPENDING', stream, group.name)

            if pending[2] then
                places[group.name] = outbox_ahead(pending[2])
            end
        end
    end

    return places
end

-- has the first entry behind this place waited for so long, and nobody come?
local function outbox_stale(T, id, at, now, hold)
    if now - at <= hold then
        return false
    end

    local next = redis.call('XRANGE', T .. ':events', '(' .. id, '+',
                            'COUNT', 1)[1]

    return next and now - tonumber(string.match(next[1], '^%d+')) > hold
end

-- Takes away what all have acknowledged.  most: entries, the limit; hold: ms.
-- Returns how many are left, 1 if that is to be said, who is left behind, the
-- limit in force: that of this host, or a higher one in T:out; and 1 if there
-- may be more to take away, which is for the next step.
local function outbox_trim(T, most, hold, now)
    local out, stream = T .. ':out', T .. ':events'
    local all, fields, lowest = redis.call('HGETALL', out), {}, nil
    local groups, left = nil, {}

    for i = 1, #all, 2 do
        fields[all[i]] = all[i + 1]
    end

    most = math.max(most, tonumber(fields.limit or '0'))

    for name, value in pairs(fields) do
        local kind = string.match(name, '^([gh]):')
        local id, at = string.match(value, '^(%S+) (%d+)$')

        if kind == 'g' then
            groups = groups or outbox_groups(T, fields)

            local place = groups[string.sub(name, 3)]

            if place and place ~= id then
                id, at = place, now
                redis.call('HSET', out, name, id .. ' ' .. outbox_ms(now))
            end
        end

        if kind and id then
            local stale = outbox_stale(T, id, tonumber(at), now, hold)

            if not stale then
                lowest = lowest and outbox_before(lowest, id) and lowest or id
            end

            if stale and not fields['x:' .. name] then
                redis.call('HSET', out, 'x:' .. name, 1)
                left[#left + 1] = (kind == 'h' and 'webhook "' or 'group "')
                                  .. string.sub(name, 3) .. '"'

            elseif not stale and fields['x:' .. name] then
                redis.call('HDEL', out, 'x:' .. name)
            end
        end
    end

    local n, warn, gone = redis.call('XLEN', stream), 0, 0

    -- a backlog goes a thousand at a time, and the rest of it by the entry

    if lowest then
        gone = redis.call('XTRIM', stream, 'MINID', '~', lowest,
                          'LIMIT', 1000)
    else
        gone = redis.call('XTRIM', stream, 'MAXLEN', '~', most, 'LIMIT', 1000)
    end

    local more = gone >= 900 and 1 or 0

    if lowest and more == 0 and n * 2 >= most then
        redis.call('XTRIM', stream, 'MINID', '=', lowest)
    end

    n = redis.call('XLEN', stream)

    if most > 0 and n * 10 >= most * 8 then
        if not fields.w then
            redis.call('HSET', out, 'w', 1)
            warn = 1
        end

    elseif fields.w and n * 10 < most * 7 then
        redis.call('HDEL', out, 'w')
    end

    return n, warn, left, most, more
end
