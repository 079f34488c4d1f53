--@onekey
--@args digest ends
--@returns code digest
-- Which certificate has this serial number?  KEYS[1]: mdm:{tenant/sn:…};
-- digest: its SHA-256, hex; ends: Unix seconds
-- {1, digest}: entered; {0, digest}: it was there, of this one or another
local known = redis.call('GET', KEYS[1])

if known then
    return {0, known}
end

redis.call('SET', KEYS[1], digest)
redis.call('EXPIREAT', KEYS[1], ends)

return {1, digest}
