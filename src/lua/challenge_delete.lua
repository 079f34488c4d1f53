--@args who address limit id
--@returns code
-- Takes a challenge that is gone out of the tenant's list.
-- KEYS[1]: mdm:{tenant/ca}
-- {1}: done; {0}: it was not there
--@include event
local C = KEYS[1]

redis.call('ZREM', C .. ':due', id)

if redis.call('ZREM', C .. ':ids', id) == 0 then
    return {0}
end

redis.call('UNLINK', C .. ':c:' .. id)

event(C, limit, 'api.Challenge', id,
      {by = who, address = address, change = 'deleted'})

return {1}
