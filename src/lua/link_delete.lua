--@args who address limit id
--@returns code
-- Takes a link that is gone out of the tenant's list.
-- KEYS[1]: mdm:{tenant/prof}
-- {1}: done; {0}: it was not there
--@include event
local P = KEYS[1]

redis.call('ZREM', P .. ':links_due', id)

if redis.call('ZREM', P .. ':links', id) == 0 then
    return {0}
end

redis.call('UNLINK', P .. ':link:' .. id)

event(P, limit, 'api.EnrollmentLink', id,
      {by = who, address = address, change = 'deleted'})

return {1}
