--@readonly
--@onekey
--@args id
--@returns code used fetched
-- How often was a link used, and opened?
-- KEYS[1]: mdm:{tenant/link:<SHA-256 of its token>}
-- {1, how many devices, how many profiles}; {0}: it is not there
local v = redis.call('HMGET', KEYS[1], 'id', 'used', 'fetched')

if v[1] ~= id then
    return {0}
end

return {1, tonumber(v[2] or '0'), tonumber(v[3] or '0')}
