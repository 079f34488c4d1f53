--@volatile
--@onekey
--@args cursor nkinds kinds...
--@returns cursor age owed oldest dead enrollments works topics...
--@row topics topic not_after stopped
-- What metrics say of all tenants, as somebody has last read it: a page of
-- them.  While the hash grows or shrinks one may be in two pages.
-- KEYS[1]: mdm:{work}; cursor: "0", or the one of the page before; nkinds: how
-- many kinds of work there are; kinds: their names, and behind them tenants
-- that there are, too
-- {cursor ("0": it was the last page); seconds since the oldest of it was read,
-- -1: nothing was; channels that are owed a push; ms that the oldest of these
-- waits; channels whose push token is dead; enrollments; {ms for each kind: how
-- late work is; in the first page}, topic (key form, "other": of all further
-- ones), not_after (Unix seconds, 0: not known), 1: it is stopped, …}
--@include time
local W, now = KEYS[1], tonumber(time[1])
local key, last = W .. ':gauges', kinds_at + tonumber(nkinds) - 1
local age, owed, oldest, dead, enrollments, works = -1, 0, 0, 0, 0, {}
local topics, names = {}, {}

-- topics that are told, and bytes of one
local most, longest = 100, 104

-- fields of a page: a tenant has two
local fields = 200

local function late(at)
    return math.max(0, now * 1000 + math.floor(tonumber(time[2]) / 1000)
                       - tonumber(at))
end

if cursor == '0' then
    redis.call('HSET', key, 'read', now)

    for i = last + 1, #ARGV do
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
    local t, n, since, d, ids = string.match(
        text, '^(%d+) (%d+) (%d+) (%d+) (%d+)$')

    if t then
        age = math.max(age, now - tonumber(t))
        owed = owed + tonumber(n)
        dead = dead + tonumber(d)
        enrollments = enrollments + tonumber(ids)

        if since ~= '0' then
            oldest = math.max(oldest, late(since))
        end
    end
end

local function merge(to, name, ends, stopped)
    local t = to[name]

    if not t then
        t = {ends = 0, stopped = 0}
        to[name] = t
    end

    if ends > 0 and (t.ends == 0 or ends < t.ends) then
        t.ends = ends
    end

    t.stopped = math.max(t.stopped, stopped)
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
            merge(topics, #name > longest and 'other' or name,
                  tonumber(ends), tonumber(stopped))
        end
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
    merge(topics, 'other', topics[names[i]].ends, topics[names[i]].stopped)
    names[i] = nil
end

if topics.other then
    names[#names + 1] = 'other'
end

local out = {page[1], age, owed, string.format('%.0f', oldest), dead,
             enrollments, works}

for _, name in ipairs(names) do
    out[#out + 1] = name
    out[#out + 1] = topics[name].ends
    out[#out + 1] = topics[name].stopped
end

return out
