--@readonly
--@onekey
--@args id
--@returns code used
-- How many public keys have taken a challenge?
-- KEYS[1]: mdm:{tenant/chal:<SHA-256 of it>}
-- {1, how many}; {0}: it is not there
local v = redis.call('HMGET', KEYS[1], 'id', 'used')

if v[1] ~= id then
    return {0}
end

return {1, tonumber(v[2] or '0')}
