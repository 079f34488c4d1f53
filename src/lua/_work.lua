-- What all scripts of mdm:{work} share.  mdm:{work} is a zset of "kind tenant",
-- scored by the time when a worker must look at it (Unix seconds).  The hash
-- mdm:{work}:state has the fields "h <member>": since when it is leased, and by
-- whom; "k <member>": when it was last kicked; "n <member>": when a worker must
-- look again even if one has looked, because a change that was announced may
-- not have been made by then.

--@include time
local work_now = tonumber(time[1]) + tonumber(time[2]) / 1000000

-- at most so many seconds of a lease, and until an announced change is made
local work_lease_max = 600

local function work_time(seconds)
    return string.format('%.6f', seconds)
end

-- since when and by whom a member is leased; nil: it is not leased
local function work_held(W, member)
    local held = redis.call('HGET', W .. ':state', 'h ' .. member)

    if held then
        local since, who = string.match(held, '^(%S+) (.*)$')

        return tonumber(since), who
    end
end
