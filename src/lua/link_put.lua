--@onekey
--@args id enrollment uses ends bind
--@returns code
-- Makes a link that is in the tenant's list already.  It stays for a week when
-- it has expired, so that who comes late is told.
-- KEYS[1]: mdm:{tenant/link:<SHA-256 of its token>}; ends: Unix seconds; bind:
-- JSON, sealed where there is a key, or ""
-- {1}: made; {0}: it was there
local key = KEYS[1]

if redis.call('HSETNX', key, 'id', id) == 0 then
    return {0}
end

redis.call('HSET', key, 'enrollment', enrollment, 'uses', uses, 'until', ends,
           'bind', bind)
redis.call('EXPIREAT', key, string.format('%.0f', tonumber(ends) + 604800))

return {1}
