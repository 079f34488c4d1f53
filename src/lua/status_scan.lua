--@readonly
--@args id cursor
--@returns cursor places...
-- The places of a channel's values, for a report that is stored in parts.
-- cursor: as the last call has answered it, "" at first
-- {cursor ("": that is all), place, …}
--@include status_values
local reply, room = {''}, {values = 1500, bytes = 262144}

reply[1] = status_walk(KEYS[1], id, cursor, room, function(place)
    reply[#reply + 1] = place
end)

return reply
