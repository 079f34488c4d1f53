--@args device
--@returns code
-- The certificate of a device that was forgotten is nobody's, unless it was
-- claimed since forget_mark.  KEYS[1]: its key
-- {1}: it is free; {0}: it is somebody's
if redis.call('GET', KEYS[1] .. ':free') ~= device
    or redis.call('GET', KEYS[1]) ~= device
then
    return {0}
end

redis.call('UNLINK', KEYS[1], KEYS[1] .. ':free')

if redis.call('EXISTS', KEYS[1] .. ':x') == 1 then
    redis.call('HSET', KEYS[1] .. ':x', 'state', 'issued', 'device', '')
end

return {1}
