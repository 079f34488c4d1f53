--@onekey
--@args spki
--@returns code
-- A public key gives back a challenge that it has taken, since it may not have
-- a certificate after all: another one may take it.
-- KEYS[1]: mdm:{tenant/chal:<SHA-256 of it>}; spki: SHA-256 of the key, hex
-- {1}: done; {0}: it has not taken it, or its certificate is made
local key = KEYS[1]
local v = redis.call('HMGET', key, 'k:' .. spki, 'd:' .. spki, 'until')

if not v[1] or v[2] then
    return {0}
end

redis.call('HDEL', key, 'k:' .. spki)

if redis.call('HINCRBY', key, 'used', -1) <= 0 and v[3] then
    redis.call('HDEL', key, 'last')
    redis.call('EXPIREAT', key, v[3])
end

return {1}
