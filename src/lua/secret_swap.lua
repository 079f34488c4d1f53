--@args rest field old new length
--@returns code
-- Puts a value in the place of one that says the same, if that is still
-- there.  rest: the key's; of a plain value old is "", and length its
-- length: what is an argument stands in SLOWLOG and MONITOR.
-- {1}: done; {0}: it is not there
local key = KEYS[1] .. rest
local kept = redis.call('HGET', key, field)

if not kept then
    return {0}
end

if old == '' then
    if #kept ~= tonumber(length) or string.sub(kept, 1, 4) == '\238MK\1' then
        return {0}
    end

elseif kept ~= old then
    return {0}
end

redis.call('HSET', key, field, new)

return {1}
