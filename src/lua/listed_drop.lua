--@onekey
--@args id
--@returns code
-- Nobody comes by this link any more, not even who has the profile already, or
-- takes this challenge.
-- KEYS[1]: mdm:{tenant/link:<SHA-256>} or mdm:{tenant/chal:<SHA-256>}
-- {1}: it is gone; {0}: it was not there
if redis.call('HGET', KEYS[1], 'id') ~= id then
    return {0}
end

redis.call('UNLINK', KEYS[1])

return {1}
