--@readonly
--@onekey
--@args name
--@returns code id purpose bind der
-- What was made for who has taken a challenge, or a key?  KEYS[1], name: see
-- challenge_done.lua
-- {1, id, purpose, bind, der}, the first three "" where it is a key; {0}:
-- nothing was
local v = redis.call('HMGET', KEYS[1], 'd:' .. name, 'id', 'purpose', 'bind')

if not v[1] then
    return {0}
end

return {1, v[2] or '', v[3] or '', v[4] or '', v[1]}
