--@args who address limit budget ids...
--@returns handled removed unknown...
-- Empties queues.  budget: steps after which to stop: a command that is dropped
-- is one, an id some more
-- {ids handled, commands removed, i, i, …}: id i (from 0) is not enrolled
--@include event
--@include clock
--@include queue
--@include status
--@include era
local T, budget = KEYS[1], tonumber(budget)
local reply, cleared = {0, 0}, {}

-- of an id itself
local steps = 6

old_room = budget

for i = ids_at, #ARGV do
    local id = ARGV[i]

    old_room = old_room - steps

    -- what does not fit is the first of the next call

    if i > ids_at and redis.call('LLEN', T .. ':q:' .. id) > old_room then
        break
    end

    if redis.call('HEXISTS', T .. ':e:' .. id, 'type') == 0 then
        reply[#reply + 1] = i - ids_at
    else
        era_enter(T, id)

        local n = queue_clear(T, id)

        if n > 0 then
            cleared[#cleared + 1] = id
            reply[2] = reply[2] + n
        end
    end

    reply[1] = reply[1] + 1

    if reply[2] >= budget or old_room <= 0 then
        break
    end
end

old_sweep(T)

if #cleared > 0 then
    event(T, limit, 'api.QueueClear', table.concat(cleared, ','),
          {by = who, address = address, removed = reply[2]})
end

return reply
