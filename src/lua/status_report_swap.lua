--@args id name new_name length new
--@returns code
-- Puts a sealed status report in the place of the plain one, under another
-- name: that of a plain one is its SHA-256.  length: that of what is kept
-- {1}: done; {0}: it is not there, or another one
local reports = KEYS[1] .. ':sr:' .. id
local v = redis.call('HMGET', reports, name, 'l')
local kept, list = v[1], v[2]

if not kept or not list or #kept ~= tonumber(length)
    or string.sub(kept, 1, 4) == '\238MK\1'
then
    return {0}
end

redis.call('HSET', reports, new_name, new, 'l',
           (string.gsub(list, ':' .. name .. ':', ':' .. new_name .. ':')))
redis.call('HDEL', reports, name)

return {1}
