--@readonly
-- What a declaration says, now or when it had another ServerToken.
-- ARGV: id, token
-- {1, type, payload}; {2, an old version: JSON with both}; {0}: unknown
local D, id, token = KEYS[1], ARGV[1], ARGV[2]
local v = redis.call('HMGET', D .. ':d:' .. id, 'token', 'type', 'payload')

if v[1] == token then
    return {1, v[2], v[3]}
end

local old = redis.call('GET', D .. ':v:' .. id .. ':' .. token)

if old then
    return {2, old}
end

return {0}
