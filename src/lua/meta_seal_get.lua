--@readonly
--@onekey
--@args
--@returns key encrypts
-- The key of what people carry and bring back, of a store that encrypts
-- nothing.
-- KEYS[1]: mdm:meta
-- the key, 64 hexadecimal digits, or '' where nobody has needed one yet; 1 if
-- there is an encryption_key, else 0
local v = redis.call('HMGET', KEYS[1], 'seal', 'keys')

return {v[1] or '', v[2] and 1 or 0}
