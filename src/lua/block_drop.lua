--@onekey
--@args id
--@returns code
-- A device is not blocked any more.  KEYS[1]: mdm:{tenant/block}; id: key form
-- {1}: it was; {0}
local old = redis.call('HGET', KEYS[1], 'u:' .. id)

if not old then
    return {0}
end

local serial = string.match(old, '^%l+ %d+ (%S*) ') or ''

redis.call('HDEL', KEYS[1], 'u:' .. id)

if serial ~= '' and redis.call('HGET', KEYS[1], 's:' .. serial) == id then
    redis.call('HDEL', KEYS[1], 's:' .. serial)
end

return {1}
