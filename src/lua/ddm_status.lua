--@owes
--@args who address limit id device cert digests z report kept most_errors
--@args full uuid body client withhold token part rid told rev watch heads
--@args lists...
--@returns code dropped unnamed next rid told unfinished differs
-- DeclarativeManagement, a status report, or a part of one.
-- digests: names of the report, 32 hex digits each: the one to keep, then
-- those under older keys; z: 1: the report is compressed; kept, most_errors:
-- reports and errors kept; full: 0 or 1, and "d" if it speaks of declarations,
-- "c" if of what the client can do; uuid, body: of a command that tells of
-- declarations, or "": it says nothing new of the device; client: digest of
-- the types that it says it supports, or ""; withhold: 1: the others are left
-- out of its manifest; token: that it says it is pushed by, or ""
-- part: "all"; "begin": nothing but its name is made; "more", "end": values
-- that are stored under this name, rid, at the end the report itself
-- told: events that it has made so far
-- rev, watch, heads: who watches these values, see _status_watch.lua, according
-- to this revision of the replica ("": not known); and with what the prefixes
-- of other values begin, a line each
-- lists: how many items are indexed and which, how many errors and which, then
-- type, place, JSON, …: see src/ddm/mdm_ddm_report.h; behind the type a "?":
-- the place is not that of an item of Apple's schema
-- {0, values that have no room, an array without identifiers that is left out,
-- or "", next, rid, told, unfinished: 1: ddm_facts has to go on with what the
-- device has said of itself; differs: 1: its TokenUpdate has brought another
-- token}; {code of auth()}
-- next: 0: it is stored, or this part of it; and where nothing was stored: 1:
-- it has to come in parts, rid is its name; 2: watchers of another revision,
-- rid, are needed; 3: another report has come meanwhile, or a new enrolment
--@include event
--@include auth
--@include queue
--@include status
--@include era
--@include ddm
--@include facts
--@include status_watch
local T = KEYS[1]
local digest, kept = string.sub(digests, 1, 32), tonumber(kept)
local spoken = {d = string.find(full, 'd', 1, true),
                c = string.find(full, 'c', 1, true)}

full = full ~= '0'
told = tonumber(told)

local short, long = T .. ':s:' .. id, T .. ':sl:' .. id
local reports = T .. ':sr:' .. id

-- places of a channel; those that one script looks through; what a report may
-- repeat a lost answer, in seconds
local most, few, again = 20000, 1000, 3600

local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

local kind = redis.call('HGET', T .. ':e:' .. id, 'type')

if not kind then
    return {0, 0, '', 0, '', 0}
end

era_enter(T, id)

local time = clock_time()
local now = tonumber(time[1])
local newest = redis.call('HMGET', reports, 'l', 'at', 'p', 'f')
local list = newest[1] or ''
local last, same = string.match(list, '^(%d+):(%x+)')

seen(T, id, now)

-- also of a report that is repeated: ddm_facts may not have come to an end
local function unfinished()
    return uuid ~= '' and redis.call('HEXISTS', T .. ':e:' .. device, 'df') or 0
end

if part == 'all' or part == 'begin' then
    last = tonumber(last or '0')

    -- its name may be ahead of its time: how old it is goes by TIME alone, and
    -- one that is ahead is of a clock that was wrong

    local age = now - tonumber(newest[2] or math.floor(last / 1000000))

    for i = 1, #digests, 32 do
        if same == string.sub(digests, i, i + 31)
            and age >= 0 and age < again
        then
            return {0, 0, '', 0, '', 0, unfinished()}
        end
    end

    -- a report is named by its time in microseconds, 16 digits, each by
    -- another

    rid = string.format('%.0f', math.max(now * 1000000 + tonumber(time[2]),
                                         last + 1))

elseif last == rid then
    return {0, 0, '', 0, rid, told, unfinished()}

elseif newest[3] ~= rid then
    return {0, 0, '', 3, '', 0}
end

-- It is too much for one script: from now on parts of this name are taken.
local function in_parts()
    redis.call('HSET', reports, 'p', rid)

    return {0, 0, '', 1, rid, 0}
end

if part == 'begin' then
    return in_parts()
end

-- arguments

local at = lists_at
local items, indexed, errors = {}, {}, {}

for i = at + 1, at + tonumber(ARGV[at]) do
    items[#items + 1] = ARGV[i]
end

at = at + #items + 1

for i = at + 1, at + tonumber(ARGV[at]) do
    errors[#errors + 1] = ARGV[i]
end

at = at + #errors + 1

-- "new" has the value of each place, or false: it is gone

local places, new, odd, unnamed = {}, {}, {}, ''

for i = at, #ARGV - 2, 3 do
    local what, place, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local unknown = #what > 1

    what = string.sub(what, 1, 1)

    if what == '-' then
        value = false

    elseif (what == '[' or what == '~' and not full)
        and status_value(T, id, place .. '\31')
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
        odd[place] = unknown
    end

    if place then
        new[place] = value
    end
end

-- what is there: its JSON, and whether the long ones have it

local old, lies_long = {}, {}

local function look(key, names)
    local missing = {}

    for i = 1, #names, 1000 do
        local v = redis.call('HMGET', key,
                             unpack(names, i, math.min(i + 999, #names)))

        for k, value in ipairs(v) do
            local name = names[i + k - 1]

            if value then
                old[name] = status_json(value)
                lies_long[name] = key == long
            else
                missing[#missing + 1] = name
            end
        end
    end

    return missing
end

look(long, look(short, places))

local fresh, gone, size = {}, {}, 0

for _, place in ipairs(places) do
    if new[place] and not old[place] then
        fresh[#fresh + 1] = place
    elseif not new[place] and old[place] then
        gone[#gone + 1] = place
    end
end

if full or #fresh > 0 then
    size = status_count(T, id)
end

-- Of a full report what is not in it is gone, but for what stands apart.  Else
-- a new place takes that of places above or below it, and of an array's
-- elements, or that of the array.

local function replacing()
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

    return function(place)
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
end

-- An item that Apple's schema knows has none above or below it: only its shape
-- may be another one.
local function takes_place()
    for _, place in ipairs(fresh) do
        local path = string.match(place, '^[^\31]*')

        if odd[place]
            or #path < #place and status_value(T, id, path)
            or #path == #place and status_value(T, id, path .. '\31')
        then
            return true
        end
    end

    return false
end

local other = {}

if part == 'all' and size > 0 and (full or #fresh > 0) then

    if size <= few then
        local replaced = full or replacing()

        for _, key in ipairs({short, long}) do
            for _, place in ipairs(redis.call('HKEYS', key)) do
                local what = full and status_apart(place)

                if new[place] == nil and (full and (not what or spoken[what])
                                          or not full and replaced(place))
                then
                    other[#other + 1] = place
                end
            end
        end

        table.sort(other)
        look(long, look(short, other))

    elseif full or takes_place() then
        return in_parts()
    end
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

-- Who watches what has changed?  An array of elements is not watched itself.

local changed = {}

for _, place in ipairs(limit ~= '0' and places or {}) do
    if string.sub(place, -1) ~= '\31' and new[place] ~= nil
        and (old[place] or false) ~= new[place]
    then
        changed[#changed + 1] = place
    end
end

local replica = T .. ':ddm'
local watched = #changed > 0 and redis.call('HSTRLEN', replica, 'w') > 2

if watched then
    local r = redis.call('HMGET', replica, 'to', 'gen')
    local now_rev = r[1] and (r[2] or '0') .. '.' .. r[1] or '-'

    if now_rev ~= rev then
        return {0, 0, '', 2, now_rev, 0}
    end

    -- those of what is not in the report are not at hand

    for head in string.gmatch(#other > 0 and heads or '', '[^\n]+') do
        for _, place in ipairs(other) do
            if head == '*' or string.sub(place, 1, #head) == head then
                return in_parts()
            end
        end
    end
end

-- values: what a full report says, or says again, has its time, see below

local sets, drops = {[short] = {}, [long] = {}}, {[short] = {}, [long] = {}}

for _, place in ipairs(gone) do
    table.insert(drops[lies_long[place] and long or short], place)
end

for _, place in ipairs(places) do
    local value = new[place]

    if value and not (full and old[place] == value) then
        local own = full and not status_apart(place) and '' or rid
        local is = status_long(place, 17 + #value)

        table.insert(sets[is and long or short], place)
        table.insert(sets[is and long or short], own .. ' ' .. value)

        if old[place] and lies_long[place] ~= is then
            table.insert(drops[is and short or long], place)
        end
    end
end

for _, key in ipairs({short, long}) do
    for i = 1, #drops[key], 1000 do
        redis.call('HDEL', key, unpack(drops[key], i,
                                       math.min(i + 999, #drops[key])))
    end

    for i = 1, #sets[key], 2000 do
        redis.call('HSET', key, unpack(sets[key], i,
                                       math.min(i + 1999, #sets[key])))
    end
end

-- the index

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

if part ~= 'more' then
    local entries = rid .. ':' .. digest .. ':' .. z
    local stay = math.max(kept - 1, 0) * 52
    local fields = {'l'}

    if stay > 0 and list ~= '' then
        entries = entries .. ' ' .. string.sub(list, 1, stay - 1)
    end

    for name in string.gmatch(string.sub(list, stay + 1), ':(%x+):') do
        if kept == 0 or not string.find(entries, name, 1, true) then
            redis.call('HDEL', reports, name)
        end
    end

    fields[2] = entries

    -- the time of what full reports have said

    if full then
        local all, d, c = string.match(newest[4] or '',
                                       '^(%d*),(%d*),(%d*)$')

        all = rid
        fields[#fields + 1] = 'f'
        fields[#fields + 1] = all .. ',' .. (spoken.d and rid or d or '')
                              .. ',' .. (spoken.c and rid or c or '')
    end

    if tonumber(string.sub(rid, 1, -7)) ~= now then
        fields[#fields + 1] = 'at'
        fields[#fields + 1] = now
    elseif newest[2] then
        redis.call('HDEL', reports, 'at')
    end

    if kept > 0 and redis.call('HEXISTS', reports, digest) == 0 then
        fields[#fields + 1] = digest
        fields[#fields + 1] = report
    end

    redis.call('HSET', reports, unpack(fields))

    if newest[3] then
        redis.call('HDEL', reports, 'p')
    end
end

-- A declaration that failed is in each report that speaks of declarations: it
-- is news once.  What is looked through for it is bounded.

local left, news = 1000000, {}

local function said(error)
    local place, value = string.match(error, '^%.StatusItems%.(%S+) (.*)$')
    local was = place and old[place]

    if not was then
        return false
    end

    if was == new[place] then
        return true
    end

    left = left - #was

    return left > 0 and string.find(was, value, 1, true) ~= nil
end

for i = #errors, 1, -1 do
    if not said(errors[i]) then
        news[#news + 1] = rid .. ' ' .. errors[i]
    end
end

for i = 1, #news, 1000 do
    redis.call('LPUSH', T .. ':se:' .. id,
               unpack(news, i, math.min(i + 999, #news)))
end

if #news > 0 then
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

    local any, upgraded = facts_set(T, device, facts)

    if any then
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

local differs = 0

if token ~= '' then
    local stored = redis.call('HGET', T .. ':e:' .. id, 'token')

    if stored and stored ~= token then
        differs = 1
        event(T, limit, 'push.TokenDiffers', id, '{}')
    end
end

if watched and watch ~= '' then
    local by = watch_by(T, {id = id, kind = kind, device = device}, watch)

    for _, place in ipairs(changed) do
        local names = by(string.match(place, '^[^\31]*'))

        -- what has no room is counted behind those that a report may tell

        if names then
            told = (watch_room > 0 and told or math.max(told, watch_told)) + 1
        end

        if names and told <= watch_told then
            watch_room = watch_room
                         - watch_event(T, limit, id, place,
                                       old[place] or false, new[place], names)
        end
    end
end

if part ~= 'more' and told > watch_told then
    event(T, limit, 'mdm.StatusChangesDropped', id,
          {dropped = told - watch_told})
end

return {0, dropped, unnamed, 0, rid, told, unfinished(), differs}
