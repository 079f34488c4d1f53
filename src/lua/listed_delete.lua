--@args who address limit ids due item id name
--@returns code
-- Takes a link, or a challenge, that is gone out of the tenant's list.
-- KEYS[1]: mdm:{tenant/prof} or mdm:{tenant/ca}; ids, due, item: see
-- _listed.lua, behind that key; name: of the audit event
-- {1}: done; {0}: it was not there
--@include event
local L = KEYS[1]

redis.call('ZREM', L .. due, id)

if redis.call('ZREM', L .. ids, id) == 0 then
    return {0}
end

redis.call('UNLINK', L .. item .. id)

event(L, limit, name, id, {by = who, address = address, change = 'deleted'})

return {1}
