--@volatile
--@onekey
--@args cursor nkinds nhooks kinds...
--@returns cursor age owed oldest dead enrollments works events full dropped
--@returns hooks topics...
--@row hooks name lag oldest
--@row topics topic not_after stopped
-- What metrics say of all tenants, as somebody has last read it: a page of
-- them.  While the hash grows or shrinks one may be in two pages.
-- KEYS[1]: mdm:{work}; cursor: "0", or the one of the page before; nkinds,
-- nhooks: how many kinds of work there are, and webhooks that have a name;
-- kinds: their names, those of webhooks, and tenants that there are, too
-- {cursor ("0": it was the last page); seconds since the oldest of it was read,
-- -1: nothing was; channels that are owed a push; ms that the oldest of these
-- had waited then; channels whose push token is dead; enrollments; {ms for
-- each kind: how late work is; in the first page}; entries of all outboxes; how
-- full the
-- fullest of them is, in thousandths of its limit; entries that had to go, in
-- all, in the first page; {of webhooks: name ("other": all others), events not
-- acknowledged, ms that the first of them had waited, …}; topic (key form,
-- "other": of all further ones), not_after (Unix seconds, 0: not known), 1: it
-- is stopped, …}
--@include time
local W, now = KEYS[1], tonumber(time[1])
local key, last = W .. ':gauges', kinds_at + tonumber(nkinds) - 1
local behind = last + tonumber(nhooks)
local age, owed, oldest, dead, enrollments, works = -1, 0, 0, 0, 0, {}
local events, full, dropped = 0, 0, '0'
local topics, names, hooks, other = {}, {}, {}, {0, 0}

-- topics that are told, and bytes of one
local most, longest = 100, 104

-- fields of a page: a tenant has three
local fields = 300

local function late(at)
    return math.max(0, now * 1000 + math.floor(tonumber(time[2]) / 1000)
                       - tonumber(at))
end

if cursor == '0' then
    dropped = redis.call('HGET', key, 'dropped') or '0'
    redis.call('HSET', key, 'read', now)

    for i = behind + 1, #ARGV do
        redis.call('ZADD', W .. ':due:gauges', 'NX', now, ARGV[i])
    end

    for i = kinds_at, last do
        local first = redis.call('ZRANGE', W .. ':due:' .. ARGV[i], 0, 0,
                                 'WITHSCORES')

        works[#works + 1] = first[2]
            and string.format('%.0f', late(tonumber(first[2]) * 1000)) or '0'
    end
end

local function value(text)
    local t, n, waits, d, ids = string.match(
        text, '^(%d+) (%d+) (%d+) (%d+) (%d+) %d+$')

    if t then
        age = math.max(age, now - tonumber(t))
        owed = owed + tonumber(n)
        dead = dead + tonumber(d)
        enrollments = enrollments + tonumber(ids)
        oldest = math.max(oldest, tonumber(waits))
    end
end

local function topic(name, ends, stopped)
    local t = topics[name]

    if not t then
        t = {0, 0}
        topics[name] = t
    end

    if ends > 0 and (t[1] == 0 or ends < t[1]) then
        t[1] = ends
    end

    t[2] = math.max(t[2], stopped)
end

for i = last + 1, behind do
    hooks[ARGV[i]] = {0, 0}
end

local function outbox(text)
    local n, part, rest = string.match(text, '^(%d+) (%d+)(.*)$')

    if n then
        events = events + tonumber(n)
        full = math.max(full, tonumber(part))

        for name, lag, waits in string.gmatch(rest, ' (%S+) (%d+) (%d+)') do
            local h = hooks[name] or other

            h[1] = h[1] + tonumber(lag)
            h[2] = math.max(h[2], tonumber(waits))
        end
    end
end

local page = redis.call('HSCAN', key, cursor, 'COUNT', fields)
local all = page[2]

for i = 1, #all, 2 do
    local kind = string.sub(all[i], 1, 2)

    if kind == 'v ' then
        value(all[i + 1])

    elseif kind == 't ' then
        for name, ends, stopped in string.gmatch(all[i + 1],
                                                 '(%S+) (%d+) ([01])')
        do
            topic(#name > longest and 'other' or name, tonumber(ends),
                  tonumber(stopped))
        end

    elseif kind == 'o ' then
        outbox(all[i + 1])
    end
end

for name in pairs(topics) do
    if name ~= 'other' then
        names[#names + 1] = name
    end
end

-- the same ones each time

table.sort(names)

for i = #names, most, -1 do
    topic('other', topics[names[i]][1], topics[names[i]][2])
    names[i] = nil
end

if topics.other then
    names[#names + 1] = 'other'
end

local told = {}

local function tell(out, name, t)
    out[#out + 1] = name
    out[#out + 1] = string.format('%.0f', t[1])
    out[#out + 1] = string.format('%.0f', t[2])
end

for name, h in pairs(hooks) do
    tell(told, name, h)
end

if other[1] > 0 then
    tell(told, 'other', other)
end

local out = {page[1], age, owed, string.format('%.0f', oldest), dead,
             enrollments, works, events, full, dropped, told}

for _, name in ipairs(names) do
    tell(out, name, topics[name])
end

return out
