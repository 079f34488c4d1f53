--@args who address limit id uuid
--@returns code
-- Takes one command out of a queue.
-- {1}: done; {0}: it is not queued; {-1}: not enrolled
--@include event
--@include clock
--@include queue
--@include era_of
local T = KEYS[1]

local v = redis.call('HMGET', T .. ':e:' .. id, 'type', 'parent', 'era')

if not v[1] then
    return {-1}
end

if era_before(T, v[2], v[3]) == 2 or not queue_remove(T, id, uuid) then
    return {0}
end

command_release(T, uuid, 1)

event(T, limit, 'api.CommandDelete', id,
      {by = who, address = address, command_uuid = uuid})

return {1}
