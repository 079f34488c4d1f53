--@args device
--@returns dropped
-- A serial number does not lead to a device that was forgotten, unless somebody
-- came with it since forget_mark.  KEYS[1]: its key
-- {how many went}
if redis.call('GET', KEYS[1] .. ':free') ~= device then
    return {0}
end

redis.call('UNLINK', KEYS[1] .. ':free')

return {redis.call('SREM', KEYS[1], device)}
