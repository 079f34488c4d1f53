--@readonly
--@args id
--@returns code type payload token
-- {1, type, payload, token}; {0}: there is none
local v = redis.call('HMGET', KEYS[1] .. ':d:' .. id, 'type', 'payload',
                     'token')

if not v[1] then
    return {0}
end

return {1, v[1], v[2], v[3]}
