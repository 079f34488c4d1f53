--@volatile
--@args most hold consumers...
--@returns length warn left behind
-- Who has something to get of a stream; takes away what nobody needs.
-- most: entries, the limit; hold: ms; consumers: name, where it begins, …
-- {entries, 1: it fills, which is to be said; {who is left behind from now on};
-- {webhooks that have not acknowledged all}}
--@include outbox
local T = KEYS[1]
local stream, behind = T .. ':events', {}

if redis.call('EXISTS', stream) == 0 then
    return {0, 0, {}, {}}
end

local now = outbox_now()

outbox_register(T, now, consumers_at)

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

local n, warn, left = outbox_trim(T, tonumber(most), tonumber(hold), now)

return {n, warn, left, behind}
