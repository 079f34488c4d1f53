-- Puts a value in the place of one that says the same, if that is still
-- there.  ARGV: the key's rest, field, old, new.  {1}: done; {0}: it is not
local key, field = KEYS[1] .. ARGV[1], ARGV[2]

if redis.call('HGET', key, field) ~= ARGV[3] then
    return {0}
end

redis.call('HSET', key, field, ARGV[4])

return {1}
