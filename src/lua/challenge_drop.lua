--@onekey
--@args id
--@returns code
-- Nobody takes this challenge any more.
-- KEYS[1]: mdm:{tenant/chal:<SHA-256 of it>}
-- {1}: it is gone; {0}: it was not there
if redis.call('HGET', KEYS[1], 'id') ~= id then
    return {0}
end

redis.call('UNLINK', KEYS[1])

return {1}
