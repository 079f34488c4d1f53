--@onekey
--@args rev
--@returns code
-- Takes away what owned_put.lua has left.  For some minutes its number stays,
-- so that one that was put before, and comes later, is known.
-- KEYS[1]: mdm:{tenant/dev:<serial>}; rev: see owned_index
-- {1}: it is gone; {0}: there was none, or one that was put later
local v = redis.call('HMGET', KEYS[1], 'rev', 'bind')

if v[1] and tonumber(v[1]) > tonumber(rev) then
    return {0}
end

redis.call('HDEL', KEYS[1], 'bind', 'time', 'by')
redis.call('HSET', KEYS[1], 'rev', rev)
redis.call('EXPIRE', KEYS[1], 600)

return {v[2] and 1 or 0}
