--@onekey
--@args member delay
--@returns code
-- Somebody must look: now, or at the latest in some seconds, by when a change
-- that is about to be made is there.
-- KEYS[1]: mdm:{work}; member: "kind tenant"; delay: seconds
-- {1}
--@include work
local W, delay = KEYS[1], tonumber(delay)
local at = work_now + math.min(delay, work_lease_max)
local score = tonumber(redis.call('ZSCORE', W, member) or 'inf')

if delay > 0 then
    redis.call('HSET', W .. ':state', 'n ' .. member, work_time(at))
else
    redis.call('HSET', W .. ':state', 'k ' .. member, work_time(work_now))
end

-- who has it sees the kick when it is done

if work_held(W, member) and score > work_now
    and score <= work_now + work_lease_max
then
    return {1}
end

if score > at then
    redis.call('ZADD', W, work_time(at), member)
end

return {1}
