-- "limit" of every script that writes: how many events are kept, and "+" where
-- somebody is configured who gets each of them; behind a blank, where pushes
-- are on, mdm_push_window in milliseconds, or "-": what is queued now is not
-- pushed for; behind another one the query of a device's request
local push_window, event_held, event_params
limit, event_held, push_window, event_params
    = string.match(limit, '^(%d+)(%+?) ?(%S*) ?(.*)$')

local function hex(s)
    return (string.gsub(s, '.', function(c)
        return string.format('%02x', string.byte(c))
    end))
end

-- Are there consumers?  Another host may know some that this one does not.
local function event_consumers(T)
    if event_held == '' then
        event_held = redis.call('EXISTS', T .. ':out') == 1 and '+' or '-'
    end

    return event_held == '+'
end

-- What consumers have not acknowledged stays.  Devices are served all the same:
-- from twice the limit on the oldest entries go, some at once.  A host that
-- does not know them may have a lower one than those that do.
local function event_room(T, limit)
    local key, n = T .. ':events', redis.call('XLEN', T .. ':events')

    if n < 2 * limit then
        return
    end

    local most = redis.call('HGET', T .. ':out', 'limit')

    limit = math.max(limit, tonumber(most or '0'))

    if n < 2 * limit then
        return
    end

    local some = math.min(math.ceil(limit / 10), 1000)
    local dropped = redis.call('XTRIM', key, 'MAXLEN', '=', n - some)
    local sum = redis.call('HINCRBY', T .. ':out', 'dropped', dropped)

    redis.call('XADD', key, '*', 'event', 'mdm.EventsDropped', 'id', '',
               'data', cjson.encode({dropped = dropped, sum = sum}))
end

-- writes an entry of the outbox; data is a table, or JSON text; raw is ""
-- unless events carry the message
local function event(T, limit, name, id, data, raw)
    if limit == '0' then
        return
    end

    local args = {'XADD', T .. ':events', 'MAXLEN', '~', limit, '*'}

    if event_consumers(T) then
        event_room(T, tonumber(limit))
        args = {'XADD', T .. ':events', '*'}
    end

    args[#args + 1] = 'event'
    args[#args + 1] = name
    args[#args + 1] = 'id'
    args[#args + 1] = id
    args[#args + 1] = 'data'
    args[#args + 1] = type(data) == 'string' and data or cjson.encode(data)

    if raw and raw ~= '' then
        args[#args + 1] = 'raw'
        args[#args + 1] = raw
    end

    if event_params ~= '' then
        args[#args + 1] = 'params'
        args[#args + 1] = event_params
    end

    redis.call(unpack(args))
end
