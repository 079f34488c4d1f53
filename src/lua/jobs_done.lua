--@onekey
--@args tenant
--@returns code
-- A tenant has no work left.  It stays listed for a minute: who is about to
-- make a change has entered it first.
-- KEYS[1]: mdm:jobs
-- {1}: it is off the list, {0}: not yet
local score = redis.call('ZSCORE', KEYS[1], tenant)

if not score then
    return {1}
end

--@include time
local now = tonumber(time[1])

-- one that is ahead is of a clock that was wrong: its minute begins now

if tonumber(score) > now then
    redis.call('ZADD', KEYS[1], now, tenant)
    return {0}
end

if now - tonumber(score) < 60 then
    return {0}
end

return {redis.call('ZREM', KEYS[1], tenant)}
