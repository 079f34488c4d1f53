--@readonly
--@args
--@returns rows...
--@row rows name lag oldest status at success failed skipped error_at error
-- How far the webhooks of a stream are.
-- a row of each: lag: entries that it has not acknowledged, about where there
-- are many, oldest: Unix ms of the first of them, or ""; the rest is as in
-- _outbox.lua, "" and 0 where nothing was tried
--@include outbox
local T = KEYS[1]
local out, stream, rows = T .. ':out', T .. ':events', {}
local all, fields = redis.call('HGETALL', out), {}

for i = 1, #all, 2 do
    fields[all[i]] = all[i + 1]
end

local n = redis.call('XLEN', stream)

for field, value in pairs(fields) do
    local name = string.match(field, '^h:(.*)$')

    if name then
        local place = string.match(value, '^%S+')
        local next, all = outbox_range(stream, '(' .. place, '+', 100, 65536)
        local lag = #next

        if not all then
            lag = n - #outbox_range(stream, '-', place, 100, 65536)
        end

        local s, e = fields['s:' .. name] or '', fields['e:' .. name] or ''
        local status, at, last, failed, skipped
            = string.match(s, '^(%S+) (%d+) (%d+) (%d+) (%d+)$')
        local error_at, error = string.match(e, '^(%d+) (.*)$')

        for _, v in ipairs({name, lag,
                            next[1] and string.match(next[1][1], '^%d+') or '',
                            status or '', at or '0', last or '0',
                            failed or '0', skipped or '0', error_at or '0',
                            error or ''})
        do
            rows[#rows + 1] = v
        end
    end
end

return rows
