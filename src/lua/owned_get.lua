--@readonly
--@onekey
--@args
--@returns code bind time by
-- KEYS[1]: mdm:{tenant/dev:<serial>}, as owned_put.lua has left it
-- {1, bind, time, by}; {0}: there is none
local v = redis.call('HMGET', KEYS[1], 'bind', 'time', 'by')

if not v[1] then
    return {0}
end

return {1, v[1], v[2] or '', v[3] or ''}
