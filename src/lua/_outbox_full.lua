-- Is there no room for what can wait, an administrator's call?  Then what the
-- script answers: {-100, who is furthest behind, how many entries there are}.
-- To be asked before the first write; include event before, and say
-- "--@refuses".
local function outbox_full(T, limit)
    limit = tonumber(limit)

    if limit == 0 or not event_consumers(T) then
        return
    end

    local n = redis.call('XLEN', T .. ':events')

    if n < limit then
        return
    end

    local all, fields = redis.call('HGETALL', T .. ':out'), {}
    local who, lowest = nil, math.huge

    for i = 1, #all, 2 do
        fields[all[i]] = all[i + 1]
    end

    if n < tonumber(fields.limit or '0') then
        return
    end

    -- who is left behind holds back nothing

    for field, value in pairs(fields) do
        local kind, name = string.match(field, '^([gh]):(.*)$')
        local ms = kind and not fields['x:' .. field]
                   and string.match(value, '^(%d+)%-')

        if ms and tonumber(ms) < lowest then
            lowest = tonumber(ms)
            who = (kind == 'h' and 'webhook "' or 'group "') .. name .. '"'
        end
    end

    if who then
        return {-100, who, n}
    end
end
