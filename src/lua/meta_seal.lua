--@onekey
--@args new
--@returns key encrypts
-- The same as meta_seal_get.lua, but where there is no key it is "new", of
-- whoever comes first.
-- KEYS[1]: mdm:meta; new: 64 hexadecimal digits, random
-- see there
if redis.call('HEXISTS', KEYS[1], 'keys') == 1 then
    return {'', 1}
end

redis.call('HSETNX', KEYS[1], 'seal', new)

return {redis.call('HGET', KEYS[1], 'seal'), 0}
