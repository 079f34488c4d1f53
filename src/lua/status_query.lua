--@readonly
--@args item op json cursor rows
--@returns more cursor rows...
--@row rows id value
-- Channels of a partition by the value of an indexed item.
-- op: = != < <= > >= begins; json: the value; cursor: or ""; rows: that many of
-- the index are looked at, at most
-- {more to come (0 or 1), cursor behind the last one, id, value (JSON), …}
--@include status_values
--@include status_index
--@include era_of
local T = KEYS[1]
local rows = tonumber(rows)
local key = T .. ':si:' .. item

-- Where in the index they stand: from here (with it), to there (without it),
-- in ascending order.  A comparison is of values of one kind.

local function begins(text)
    local ranges = {{'s' .. text, 's' .. text .. '\255'}}

    if text == '' then
        return {{'s', 't'}, {'v', 'w'}}
    end

    -- versions: the last number may have more digits than were said

    local head, last = string.match(text, '^(.-)(%d*)$')
    local before = head == '' and 'v'
                   or string.sub(head, -1) == '.'
                      and status_version(string.sub(head, 1, -2))

    if not before then
        return ranges
    end

    if last == '' then
        ranges[2] = {before .. 'A', before .. '['}
        return ranges
    end

    if not status_version(last) then
        return ranges
    end

    for n = #last, last == '0' and 1 or 26 do
        local from = before .. string.char(64 + n) .. last

        ranges[#ranges + 1] = {from, from .. '\255'}
    end

    return ranges
end

local function ranges()
    local at = status_key(json)

    if op == 'begins' then
        local text = status_text(json)
        return text and begins(text) or {}
    end

    if not at then
        return {}
    end

    local kind = string.sub(at, 1, 1)
    local after = string.char(string.byte(kind) + 1)

    if op == '=' then
        return {{at .. '\0', at .. '\1'}}
    elseif op == '!=' then
        return {{'', at .. '\0'}, {at .. '\1', '\255'}}
    elseif op == '<' then
        return {{kind, at}}
    elseif op == '<=' then
        return {{kind, at .. '\1'}}
    elseif op == '>' then
        return {{at .. '\1', after}}
    else
        return {{at, after}}
    end
end

-- The value of a channel; nil: it is of a former era, what the index has of it
-- goes when it is cleared.
local function current(id, at)
    local v = redis.call('HMGET', T .. ':e:' .. id, 'parent', 'era')
    local value = status_value(T, id, item)

    value = value and status_json(value)

    return era_before(T, v[1], v[2]) == 0 and value
           and status_key(value) == at and value
end

-- the cursor: the range it is in, and the member behind which it goes on

local from, behind = string.match(cursor, '^(%d+):(.*)$')
local reply, looked = {0, ''}, 0

from = tonumber(from or '1')

for i, range in ipairs(ranges()) do
    if i >= from then
        local low = '[' .. range[1]

        if behind and i == from then
            low = '(' .. behind
        elseif range[1] == '' then
            low = '-'
        end

        local most = rows - looked + 1
        local members = redis.call('ZRANGEBYLEX', key, low, '(' .. range[2],
                                   'LIMIT', 0, most)

        for _, member in ipairs(members) do
            if looked == rows then
                reply[1] = 1
                return reply
            end

            local at, id = string.match(member, '^(.*)%z(.*)$')
            local value = current(id, at)

            looked = looked + 1
            reply[2] = i .. ':' .. member

            if value then
                reply[#reply + 1] = id
                reply[#reply + 1] = value
            end
        end
    end
end

return reply
