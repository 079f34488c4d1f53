-- Is there no room for what can wait, an administrator's call?  Who is furthest
-- behind, and how many entries there are; include event before.
local function outbox_full(T, limit)
    limit = tonumber(limit)

    if limit == 0 or not event_consumers(T) then
        return
    end

    local n = redis.call('XLEN', T .. ':events')

    if n < limit then
        return
    end

    local all, who, lowest = redis.call('HGETALL', T .. ':out'), '', math.huge

    for i = 1, #all, 2 do
        local kind, name = string.match(all[i], '^([gh]):(.*)$')
        local ms = kind and string.match(all[i + 1], '^(%d+)%-')

        if ms and tonumber(ms) < lowest then
            lowest = tonumber(ms)
            who = (kind == 'h' and 'webhook "' or 'group "') .. name .. '"'
        end
    end

    return {who, n}
end
