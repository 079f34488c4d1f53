--@readonly
--@args what first last cursor names...
--@returns done cursor channels...
--@row declarations full activations configurations assets management token
--@row values full rows...
--@row rows place value
--@row errors full rows...
--@row manifests pieces...
-- What channels reported: of as many as a script may take.
-- what, first, last: "values", prefix of paths in the values, "" | "errors",
-- from, to | "declarations", "", ""; names: ids
-- or: "manifests", "", ""; names: DeclarationsTokens
-- cursor: of the first name, as the last call has answered it, or ""
-- {how many names are done, cursor of the next one ("": from its beginning),
-- for each that was looked at an array}: that of one that is not done goes on
-- in the next call
-- an array begins with -1 if the channel is not enrolled, else with the full
-- reports (see keyspace.md), or ""; what is not known is absent, or ""
-- values: place, value, …; errors: error, …, newest first; declarations: values
-- of activations, configurations, assets, management, DeclarationsToken
-- manifests: pieces of declaration-items (JSON); none: there is none
--@include era_of
--@include status_values
local T = KEYS[1]

-- about two milliseconds
local room = {values = 1500, bytes = 262144}
local reply, done = {0, cursor}, 0

-- places below a prefix, and those that it goes on in
local function fits(place)
    if first == '' then
        return true
    end

    local path = string.match(place, '^[^\31]*')

    return string.sub(path, 1, #first) == first
           or string.sub(first, 1, #path + 1) == path .. '.'
end

local read = {}

function read.values(id, one, at)
    return status_walk(T, id, at, room, function(place, kept)
        if fits(place) then
            one[#one + 1] = place
            one[#one + 1] = kept
        end
    end)
end

-- in slices: an error may be of any length
function read.errors(id, one, at)
    local from, to = tonumber(first) + (tonumber(at) or 0), tonumber(last)

    while from <= to and room.values > 0 and room.bytes > 0 do
        local most = math.min(from + 19, to)
        local list = redis.call('LRANGE', T .. ':se:' .. id, from, most)

        for _, kept in ipairs(list) do
            one[#one + 1] = kept
            room.bytes = room.bytes - #kept
        end

        room.values = room.values - #list - 1
        from = #list == 20 and most + 1 or to + 1
    end

    return from > to and '' or string.format('%.0f', from - tonumber(first))
end

function read.declarations(id, one)
    local v = redis.call('HMGET', T .. ':sl:' .. id,
                         'management.declarations.activations',
                         'management.declarations.configurations',
                         'management.declarations.assets',
                         'management.declarations.management')

    for k = 1, 4 do
        one[#one + 1] = v[k] or ''
        room.bytes = room.bytes - #one[#one]
    end

    one[#one + 1] = redis.call('HGET', T .. ':e:' .. id, 'dt') or ''
    room.values = room.values - 5

    return ''
end

local function channel(id, one, at)
    local e = redis.call('HMGET', T .. ':e:' .. id, 'type', 'parent', 'era')

    room.values = room.values - 1

    if not e[1] then
        one[1] = -1
        return ''
    end

    one[1] = ''

    if era_before(T, e[2], e[3]) ~= 0 then
        return ''
    end

    one[1] = redis.call('HGET', T .. ':sr:' .. id, 'f') or ''

    return read[what](id, one, at)
end

-- one that is large lies in pieces
local function manifest(key, one, at)
    local items = redis.call('HGET', key, 'items')
    local pieces = tonumber(items and string.match(items, '^#(%d+)$') or '0')

    if pieces == 0 then
        one[1] = items or nil
        room.bytes = room.bytes - #(items or '')
    end

    for i = tonumber(at) or 1, pieces do
        if room.bytes <= 0 then
            return tostring(i)
        end

        one[#one + 1] = redis.call('HGET', key, '#' .. i) or ''
        room.bytes = room.bytes - #one[#one]
    end

    return ''
end

for i = names_at, #ARGV do
    local one, at = {}, ''

    if what == 'manifests' then
        at = manifest(T .. ':dm:' .. ARGV[i], one, reply[2])
    else
        at = channel(ARGV[i], one, reply[2])
    end

    reply[#reply + 1] = one
    reply[2] = at

    if at ~= '' then
        break
    end

    done = done + 1

    if room.values <= 0 or room.bytes <= 0 then
        break
    end
end

reply[1] = done

return reply
