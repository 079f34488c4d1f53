--@onekey
--@args ends owners...
--@returns code
-- A public key belongs to one device: to whom it was certified first.
-- KEYS[1]: mdm:{tenant/spki:<SHA-256 of it>}; ends: when the certificate does
-- (Unix seconds); owners: names of who wants it, the first of which is kept
-- {1}: it was nobody's; {0}: it is his; {-2}: it is another one's
local key = KEYS[1]
local v = redis.call('HMGET', key, 'owner', 'until')
local his = not v[1]

for i = owners_at, #ARGV do
    his = his or ARGV[i] == v[1]
end

if not his then
    return {-2}
end

redis.call('HSET', key, 'owner', ARGV[owners_at])

-- a day longer: clocks differ

local last = tonumber(ends) + 86400

if last > (tonumber(v[2] or '') or 0) then
    redis.call('HSET', key, 'until', string.format('%.0f', last))
    redis.call('EXPIREAT', key, string.format('%.0f', last))
end

return {v[1] and 0 or 1}
