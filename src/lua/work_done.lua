--@onekey
--@args runner work again often
--@returns code
-- A runner is through with what it has leased.
-- KEYS[1]: mdm:{work}; work: "kind tenant"; again: seconds until somebody must
-- look again, "": nobody need; often: the same while a change is announced that
-- may not be made yet, "": only when it is
-- {1}; {0}: it is not its own any more
--@include work
local W, again = KEYS[1], tonumber(again)
local state = W .. ':state'
local due, tenant = work_place(W, work)
local since, who = work_held(W, work)

if who ~= runner then
    return {0}
end

local v = redis.call('HMGET', state, 'k ' .. work, 'n ' .. work)
local kicked, announced = tonumber(v[1] or '-1'), tonumber(v[2] or '-1')
local at = again and work_now + again

if kicked >= since then
    at = work_now

elseif announced > work_now then

    -- one that is too far ahead is of a clock that was wrong

    announced = math.min(announced, work_now + work_lease_max)
    at = math.min(at or announced, announced,
                  work_now + (tonumber(often) or math.huge))

elseif announced >= since then

    -- it may have been made behind the runner's look

    at = work_now
end

redis.call('HDEL', state, 'h ' .. work, 'k ' .. work)

if announced <= work_now then
    redis.call('HDEL', state, 'n ' .. work)
end

if at then
    redis.call('ZADD', due, work_time(at), tenant)
else
    redis.call('ZREM', due, tenant)
end

return {1}
