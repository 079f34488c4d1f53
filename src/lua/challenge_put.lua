--@onekey
--@args id purpose uses ends bind
--@returns code
-- Makes a challenge that is in the tenant's list already.
-- KEYS[1]: mdm:{tenant/chal:<SHA-256 of it>}; ends: Unix seconds; bind: JSON,
-- sealed where there is a key, or ""
-- {1}: made; {0}: it was there
local key = KEYS[1]

if redis.call('HSETNX', key, 'id', id) == 0 then
    return {0}
end

redis.call('HSET', key, 'purpose', purpose, 'uses', uses, 'until', ends,
           'bind', bind)
redis.call('EXPIREAT', key, ends)

return {1}
