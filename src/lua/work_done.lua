--@onekey
--@args runner member again
--@returns code
-- A runner is through with what it has leased.
-- KEYS[1]: mdm:{work}; member: "kind tenant"; again: seconds until somebody
-- must look again, "": nobody need
-- {1}; {0}: it is not its own any more
--@include work
local W, again = KEYS[1], tonumber(again)
local state = W .. ':state'
local since, who = work_held(W, member)

if who ~= runner then
    return {0}
end

local v = redis.call('HMGET', state, 'k ' .. member, 'n ' .. member)
local kicked, announced = tonumber(v[1] or '-1'), tonumber(v[2] or '-1')
local at = again and work_now + again

if kicked >= since then
    at = work_now

elseif announced > work_now then

    -- one that is too far ahead is of a clock that was wrong

    announced = math.min(announced, work_now + work_lease_max)
    at = math.min(at or announced, announced)
end

redis.call('HDEL', state, 'h ' .. member, 'k ' .. member)

if announced <= work_now then
    redis.call('HDEL', state, 'n ' .. member)
end

if at then
    redis.call('ZADD', W, work_time(at), member)
else
    redis.call('ZREM', W, member)
end

return {1}
