--@args who address limit id device cert digests z report kept most_errors
--@args full uuid body client withhold lists...
--@returns code dropped unnamed
-- DeclarativeManagement, a status report.
-- digests: names of the report, 32 hex digits each: the one to keep, then
-- those under older keys; z: 1: the report is compressed; kept, most_errors:
-- reports and errors kept; full: 0 or 1; uuid, body: of a command that tells
-- of declarations, or "": it says nothing new of the device; client: digest of
-- the types that it says it supports, or ""; withhold: 1: the others are left
-- out of its manifest; lists: how many items are indexed and which, how many
-- errors and which, then type, place, JSON, …: see src/ddm/mdm_ddm_report.h
-- {0, values that have no room, an array without identifiers that is left out,
-- or ""}; {code of auth()}
--@include event
--@include queue
--@include auth
--@include status
--@include era
--@include ddm
--@include facts
local T = KEYS[1]
local digest, kept = string.sub(digests, 1, 32), tonumber(kept)
full = full == '1'
local values, reports = T .. ':s:' .. id, T .. ':sr:' .. id

-- places of a channel; what a report may repeat a lost answer, in seconds;
-- events of a report; bytes of a value in an event
local most, again, told, large = 20000, 3600, 100, 4096

local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

local kind = redis.call('HGET', T .. ':e:' .. id, 'type')

if not kind then
    return {0, 0, ''}
end

era_enter(T, id)

local time = clock_time()
local now = tonumber(time[1])
local newest = redis.call('HMGET', reports, 'l', 'at')
local list = newest[1] or ''
local last, same = string.match(list, '^(%d+):(%x+)')

seen(T, id, now)

last = tonumber(last or '0')

-- its name may be ahead of its time: how old it is goes by TIME alone, and
-- one that is ahead is of a clock that was wrong

local age = now - tonumber(newest[2] or math.floor(last / 1000000))

for i = 1, #digests, 32 do
    if same == string.sub(digests, i, i + 31) and age >= 0 and age < again then
        return {0, 0, ''}
    end
end

-- a report is named by its time in microseconds, 16 digits, each by another

local rid = string.format('%.0f', math.max(now * 1000000 + tonumber(time[2]),
                                           last + 1))

-- arguments

local at = lists_at
local items, indexed = {}, {}

for i = at + 1, at + tonumber(ARGV[at]) do
    items[#items + 1] = ARGV[i]
end

at = at + #items + 1

local errors = {}

for i = at + 1, at + tonumber(ARGV[at]) do
    errors[#errors + 1] = ARGV[i]
end

at = at + #errors + 1

-- "new" has the value of each place, or false: it is gone

local places, new, unnamed = {}, {}, ''

for i = at, #ARGV - 2, 3 do
    local what, place, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]

    if what == '-' then
        value = false

    elseif (what == '[' or what == '~' and not full)
        and redis.call('HEXISTS', values, place .. '\31') == 1
    then
        if what == '~' then
            unnamed = place
            place = nil
        else
            place = place .. '\31'
        end
    end

    if place and new[place] == nil then
        places[#places + 1] = place
    end

    if place then
        new[place] = value
    end
end

-- A full report does not always speak of declarations, nor of what the client
-- can do: what it said of them before stays then.

local spoken = {}

local function apart(place)
    return string.sub(place, 1, 24) == 'management.declarations.' and 'd'
           or place == 'management.client-capabilities' and 'c'
end

for _, place in ipairs(full and places or {}) do
    spoken[apart(place) or ''] = true
end

-- what is there

local old = {}

local function read(names)
    for i = 1, #names, 1000 do
        local v = redis.call('HMGET', values,
                             unpack(names, i, math.min(i + 999, #names)))

        for k, value in ipairs(v) do
            if value then
                old[names[i + k - 1]] = string.sub(value, 18)
            end
        end
    end
end

read(places)

local fresh, gone, size = {}, {}, 0

for _, place in ipairs(places) do
    if new[place] and not old[place] then
        fresh[#fresh + 1] = place
    elseif not new[place] and old[place] then
        gone[#gone + 1] = place
    end
end

if full or #fresh > 0 then
    size = redis.call('HLEN', values)
end

-- Of a full report what is not in it is gone, but for what stands apart.  Else
-- a new place takes that of places above or below it, and of an array's
-- elements, or that of the array.

local other = {}

if size > 0 then
    local shape, above = {}, {}

    for _, place in ipairs(fresh) do
        local path = string.match(place, '^[^\31]*')

        shape[path] = #path == #place and 1 or 2

        local dot = string.find(path, '.', 1, true)

        while dot do
            above[string.sub(path, 1, dot - 1)] = true
            dot = string.find(path, '.', dot + 1, true)
        end
    end

    local function replaced(place)
        local path = string.match(place, '^[^\31]*')

        if shape[path] and shape[path] ~= (#path == #place and 1 or 2)
            or above[path]
        then
            return true
        end

        local dot = string.find(path, '.', 1, true)

        while dot do
            if shape[string.sub(path, 1, dot - 1)] then
                return true
            end

            dot = string.find(path, '.', dot + 1, true)
        end

        return false
    end

    for _, place in ipairs(redis.call('HKEYS', values)) do
        if new[place] == nil then
            local drop

            if full then
                local what = apart(place)

                drop = not what or spoken[what]
            else
                drop = replaced(place)
            end

            if drop then
                other[#other + 1] = place
            end
        end
    end

    table.sort(other)
    read(other)
end

for _, place in ipairs(other) do
    gone[#gone + 1] = place
    places[#places + 1] = place
    new[place] = false
end

local dropped = 0

for i = math.max(1, most - size + #gone + 1), #fresh do
    new[fresh[i]] = nil
    dropped = dropped + 1
end

-- values and the index

for i = 1, #gone, 1000 do
    redis.call('HDEL', values, unpack(gone, i, math.min(i + 999, #gone)))
end

local args = {}

for _, place in ipairs(places) do
    if new[place] then
        args[#args + 1] = place
        args[#args + 1] = rid .. ' ' .. new[place]

        if #args == 2000 then
            redis.call('HSET', values, unpack(args))
            args = {}
        end
    end
end

if #args > 0 then
    redis.call('HSET', values, unpack(args))
end

for _, item in ipairs(redis.call('SMEMBERS', T .. ':si')) do
    indexed[item] = true
end

for _, item in ipairs(items) do
    if new[item] and not indexed[item] then
        redis.call('SADD', T .. ':si', item)
        indexed[item] = true
    end
end

for item in pairs(indexed) do
    if new[item] ~= nil and (full or new[item] ~= old[item]) then
        status_index(T, item, id, old[item], new[item])
    end
end

-- The report itself; the newest is known even if none is kept.  An entry of
-- the list has 51 bytes and a blank.

local entries = rid .. ':' .. digest .. ':' .. z
local stay = math.max(kept - 1, 0) * 52

if stay > 0 and list ~= '' then
    entries = entries .. ' ' .. string.sub(list, 1, stay - 1)
end

for name in string.gmatch(string.sub(list, stay + 1), ':(%x+):') do
    if kept == 0 or not string.find(entries, name, 1, true) then
        redis.call('HDEL', reports, name)
    end
end

redis.call('HSET', reports, 'l', entries, 'at', now)

if kept > 0 then
    redis.call('HSET', reports, digest, report)
end

-- A declaration that failed is in each report that speaks of declarations: it
-- is news once.  What is looked through for it is bounded.

local look, news = 1000000, 0

local function said(error)
    local place, value = string.match(error, '^%.StatusItems%.(%S+) (.*)$')
    local was = place and old[place]

    if not was then
        return false
    end

    if was == new[place] then
        return true
    end

    look = look - #was

    return look > 0 and string.find(was, value, 1, true) ~= nil
end

for i = #errors, 1, -1 do
    if not said(errors[i]) then
        redis.call('LPUSH', T .. ':se:' .. id, rid .. ' ' .. errors[i])
        news = news + 1
    end
end

if news > 0 then
    redis.call('LTRIM', T .. ':se:' .. id, 0, tonumber(most_errors) - 1)
end

-- What enrollments keep of a device.  A model has other names here than in
-- check-in: they take no other's place.

local items_of = {
    ['device.operating-system.version'] = 'os',
    ['device.operating-system.build-version'] = 'build',
    ['device.model.identifier'] = 'product',
    ['device.model.number'] = 'model',
    ['device.model.marketing-name'] = 'model_name'
}

if uuid ~= '' then
    local d = redis.call('HMGET', T .. ':e:' .. device, 'model', 'model_name')
    local facts = {}

    for place, field in pairs(items_of) do
        local value = new[place] and status_text(new[place])

        if value and value ~= '' and #value <= 255
            and not (field == 'model' and d[1])
            and not (field == 'model_name' and d[2])
        then
            facts[#facts + 1] = field
            facts[#facts + 1] = value
        end
    end

    local changed, upgraded = facts_set(T, device, facts)

    if changed then
        facts_tell(T, device, {now = now, uuid = uuid, body = body},
                   limit, upgraded)
    end
end

-- With other capabilities the channel has another manifest, if what it does not
-- support is left out.

if client ~= '' then
    local e = T .. ':e:' .. id
    local v = redis.call('HMGET', e, 'dk', 'dt', 'dts')

    if v[1] ~= client then
        redis.call('HSET', e, 'dk', client)

        if withhold == '1' and v[2] then
            local ctx = {now = now, uuid = uuid, body = body}

            redis.call('HSET', e, 'dts',
                       math.max(now, tonumber(v[3] or '0') + 1))

            if ddm_notify(T, id, ctx) == 1 then
                event(T, limit, 'mdm.DeclarationsChanged', id,
                      {command_uuid = uuid})
            end
        end
    end
end

-- who watches what

local watch = limit == '0' and {} or redis.call('HMGET', T .. ':ddm', 'w', 'f')
local watchers = watch[1] and cjson.decode(watch[1]) or {}
local names, filters, who = {}, nil, nil

-- a channel is in a set because it was put there, or by the set's filter

local function in_set(set)
    if redis.call('HEXISTS', T .. ':d:' .. id, 's:' .. set) == 1 then
        return true
    end

    filters = filters or watch[2] and cjson.decode(watch[2]) or {}

    if not filters[set] then
        return false
    end

    if not who then
        who = {id = id, kind = kind, device = device, tags = {}}

        for _, field in ipairs(redis.call('HKEYS', T .. ':d:' .. id)) do
            if string.sub(field, 1, 2) == 't:' then
                who.tags[#who.tags + 1] = ddm_unescape(string.sub(field, 3))
            end
        end
    end

    return ddm_fits(T, filters[set], who)
end

for name, w in pairs(watchers) do
    if not w.set or in_set(w.set) then
        names[#names + 1] = name
    end
end

if #names == 0 then
    return {0, dropped, unnamed}
end

-- by prefix, for the lengths that there are: not each watcher for each value

local watched, lengths, found = {}, {}, {}
local known = {}

for _, name in ipairs(names) do
    for _, prefix in ipairs(watchers[name].items) do
        if not watched[prefix] then
            watched[prefix] = {}

            if not known[#prefix] then
                known[#prefix] = true
                lengths[#lengths + 1] = #prefix
            end
        end

        table.insert(watched[prefix], name)
    end
end

table.sort(lengths)

-- the watchers of a path, in the order of their names
local function watching(path)
    local by, seen = found[path], {}

    if by then
        return by
    end

    by = {}
    found[path] = by

    for _, length in ipairs(lengths) do
        if length > #path then
            break
        end

        for _, name in ipairs(watched[string.sub(path, 1, length)] or {}) do
            if not seen[name] then
                seen[name] = true
                by[#by + 1] = name
            end
        end
    end

    table.sort(by)

    return by
end

local function json(value)
    return value and #value <= large and value or 'null'
end

local count = 0

for _, place in ipairs(places) do
    local path, element = string.match(place, '^([^\31]*)\31?(.*)$')
    local whole = #path == #place
    local was, is, by = old[place], new[place], {}

    -- an array of elements is not watched itself

    if (whole or element ~= '') and new[place] ~= nil
        and (was or false) ~= is
    then
        by = watching(path)
    end

    if #by > 0 then
        count = count + 1
    end

    if #by > 0 and count <= told then
        local cut = was and #was > large or is and #is > large

        event(T, limit, 'mdm.StatusChanged', id,
              '{"item":' .. cjson.encode(path)
              .. (whole and '' or ',"identifier":' .. cjson.encode(element))
              .. ',"old":' .. json(was) .. ',"new":' .. json(is)
              .. (cut and ',"large":true' or '')
              .. ',"watchers":' .. cjson.encode(by) .. '}')
    end
end

if count > told then
    event(T, limit, 'mdm.StatusChangesDropped', id, {dropped = count - told})
end

return {0, dropped, unnamed}
