-- Puts a sealed status report in the place of the plain one, under another
-- name: that of a plain one is its SHA-256.
-- ARGV: id, name, new name, length of what is kept, new
-- {1}: done; {0}: it is not there, or another one
local reports, name = KEYS[1] .. ':sr:' .. ARGV[1], ARGV[2]
local v = redis.call('HMGET', reports, name, 'l')
local kept, list = v[1], v[2]

if not kept or not list or #kept ~= tonumber(ARGV[4])
    or string.sub(kept, 1, 4) == '\238MK\1'
then
    return {0}
end

redis.call('HSET', reports, ARGV[3], ARGV[5], 'l',
           (string.gsub(list, ':' .. name .. ':', ':' .. ARGV[3] .. ':')))
redis.call('HDEL', reports, name)

return {1}
