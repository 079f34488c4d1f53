--@onekey
--@args work delay first
--@returns code
-- Somebody must look: now, or at the latest in some seconds, by when a change
-- that is about to be made is there.
-- KEYS[1]: mdm:{work}; work: "kind tenant"; delay: seconds; first: seconds
-- until the first look, where there are several by then
-- {1}
--@include work
local W, delay = KEYS[1], tonumber(delay)
local due, tenant = work_place(W, work)
local at = work_now + math.min(tonumber(first), work_lease_max)
local score = tonumber(redis.call('ZSCORE', due, tenant) or 'inf')

if delay > 0 then
    local last = work_now + math.min(delay, work_lease_max)

    redis.call('HSET', W .. ':state', 'n ' .. work, work_time(last))
else
    redis.call('HSET', W .. ':state', 'k ' .. work, work_time(work_now))
end

-- who has it sees the kick when it is done

if work_held(W, work) and score > work_now
    and score <= work_now + work_lease_max
then
    return {1}
end

if score > at then
    redis.call('ZADD', due, work_time(at), tenant)
end

return {1}
