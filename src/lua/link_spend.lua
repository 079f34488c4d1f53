--@onekey
--@args spki
--@returns code
-- A device enrolls by a link: a public key spends one use, once.
-- KEYS[1]: mdm:{tenant/link:<SHA-256 of its token>}; spki: SHA-256 of the key,
-- hex
-- {0}: spent now; {1}: this key had spent it; {-1}: there is none, or it has
-- expired; {-2}: it is used up
--@include clock
local key = KEYS[1]
local v = redis.call('HMGET', key, 'uses', 'used', 'until', 'k:' .. spki)

if v[4] then
    return {1}
end

if not v[1] or (tonumber(v[3] or '') or 0) <= clock() then
    return {-1}
end

if (tonumber(v[2] or '') or 0) >= (tonumber(v[1]) or 0) then
    return {-2}
end

redis.call('HINCRBY', key, 'used', 1)
redis.call('HSET', key, 'k:' .. spki, 1)

return {0}
