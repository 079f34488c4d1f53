--@onekey
--@args enrollment count
--@returns code id bind ends
-- Somebody opens a link, which spends nothing.  What is made for them is
-- counted, since each is a challenge: 20 for each device that may enroll.
-- KEYS[1]: mdm:{tenant/link:<SHA-256 of its token>}; enrollment: the block that
-- it must be for; count: 1: a profile is to be made; 0: this is only a look
-- {1, id, …}: it is good; {0}: there is no such one; {-1}: it has expired;
-- {-2}: it is used up; {-3}: it was opened too often
--@include clock
local key = KEYS[1]
local v = redis.call('HMGET', key, 'id', 'enrollment', 'bind', 'until', 'uses',
                     'used', 'fetched')

if not v[1] or v[2] ~= enrollment then
    return {0}
end

local uses = tonumber(v[5] or '') or 0

if (tonumber(v[4] or '') or 0) <= clock() then
    return {-1}
end

if (tonumber(v[6] or '') or 0) >= uses then
    return {-2}
end

if (tonumber(v[7] or '') or 0) >= 20 * uses then
    return {-3}
end

if count == '1' then
    redis.call('HINCRBY', key, 'fetched', 1)
end

return {1, v[1], v[3] or '', v[4]}
