--@onekey
--@args name der
--@returns code der
-- The certificate of who has taken a challenge, or a key, is made: of two that
-- were made at once the first counts.
-- KEYS[1]: mdm:{tenant/chal:…} or mdm:{tenant/spki:…}; name: by which it was
-- taken: SHA-256 of the public key, or of the certificate that is renewed, hex
-- {1, der}: stored; {0, der}: another one was; {-1}: nobody of this name
local key = KEYS[1]
local v = redis.call('HMGET', key, 'k:' .. name, 'd:' .. name)

if not v[1] then
    return {-1}
end

if v[2] then
    return {0, v[2]}
end

redis.call('HSET', key, 'd:' .. name, der)

return {1, der}
