--@onekey
--@args
--@returns code
-- Nothing that leads to a device that was forgotten is left.
-- KEYS[1]: T:e:<id>, with what forget.lua has left of it
-- {1}; {0}: it has enrolled meanwhile
if redis.call('HEXISTS', KEYS[1], 'type') == 1 then
    return {0}
end

redis.call('UNLINK', KEYS[1])

return {1}
