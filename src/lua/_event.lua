-- "limit" of every script that writes: how many events are kept, and behind a
-- blank, where pushes are on, mdm_push_window in milliseconds, or "-": what is
-- queued now is not pushed for
local push_window
limit, push_window = string.match(limit, '^(%d+) ?(.*)$')

local function hex(s)
    return (string.gsub(s, '.', function(c)
        return string.format('%02x', string.byte(c))
    end))
end

-- writes an entry of the outbox; data is a table, or JSON text; raw is ""
-- unless events carry the message
local function event(T, limit, name, id, data, raw)
    if limit == '0' then
        return
    end

    local args = {
        'XADD', T .. ':events', 'MAXLEN', '~', limit, '*',
        'event', name, 'id', id, 'data',
        type(data) == 'string' and data or cjson.encode(data)
    }

    if raw and raw ~= '' then
        args[#args + 1] = 'raw'
        args[#args + 1] = raw
    end

    redis.call(unpack(args))
end
