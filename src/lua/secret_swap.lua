-- Puts a value in the place of one that says the same, if that is still
-- there.  ARGV: the key's rest, field, old, new; of a plain old one "" and, as
-- fifth, its length: what is an argument stands in SLOWLOG and MONITOR.
-- {1}: done; {0}: it is not there
local key, field, old = KEYS[1] .. ARGV[1], ARGV[2], ARGV[3]
local kept = redis.call('HGET', key, field)

if not kept then
    return {0}
end

if old == '' then
    if #kept ~= tonumber(ARGV[5]) or string.sub(kept, 1, 4) == '\238MK\1' then
        return {0}
    end

elseif kept ~= old then
    return {0}
end

redis.call('HSET', key, field, ARGV[4])

return {1}
