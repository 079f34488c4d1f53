--@volatile
--@args most hold consumers...
--@returns length warn left behind held limit more
-- Who has something to get of a stream; takes away what nobody needs.
-- most: entries, the limit; hold: ms; consumers: name, where it begins, … of
-- those that this host knows
-- {entries, 1: it fills, which is to be said; {who is left behind from now on};
-- {webhooks that have not acknowledged all}, 1: somebody has a place here, the
-- limit in force, 1: there may be more to take away}
--@include outbox
local T = KEYS[1]
local stream, behind = T .. ':events', {}

local now = outbox_now()

outbox_begin(T)

-- before there is an event: a host that does not know them goes by it

if #ARGV >= consumers_at then
    outbox_register(T, now, consumers_at)
    outbox_keep(T, most)
end

local held = redis.call('EXISTS', T .. ':out')

if held == 0 or redis.call('EXISTS', stream) == 0 then
    return {0, 0, {}, {}, held, tonumber(most), 0}
end

for i = consumers_at, #ARGV - 1, 2 do
    local name = string.match(ARGV[i], '^h:(.*)$')

    if name then
        local place = redis.call('HGET', T .. ':out', ARGV[i])

        if #redis.call('XRANGE', stream,
                       '(' .. string.match(place, '^%S+'), '+', 'COUNT', 1)
           > 0
        then
            behind[#behind + 1] = name
        end
    end
end

local n, warn, left, limit, more
    = outbox_trim(T, tonumber(most), tonumber(hold), now)

return {n, warn, left, behind, held, limit, more}
