--@readonly
--@args id token
--@returns code type payload
-- The text of a declaration, the current one or one that a device may still
-- be told of.
-- {1, type, payload}; {0}: it is not known
local D = KEYS[1]
local v = redis.call('HMGET', D .. ':d:' .. id, 'token', 'type', 'payload')

if v[1] == token then
    return {1, v[2], v[3]}
end

local old = redis.call('GET', D .. ':v:' .. id .. ':' .. token)

if not old then
    return {0}
end

-- as ddm_retire() wrote it; cut, not decoded: empty arrays and large numbers
-- stay what they are

local kind, payload = string.match(old, '^{"Type":"(.-)","Payload":(.*)}$')

if not payload then
    return {0}
end

return {1, kind, payload}
