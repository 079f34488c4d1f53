-- What all scripts of mdm:{work} go by: a zset of "kind tenant" by when
-- somebody must look at it (Unix seconds), and the hash mdm:{work}:state: "h
-- <member>": since when it is leased and by whom; "k <member>": when it was
-- kicked last; "n <member>": when somebody must look although it was looked
-- at, for whoever said so may not have made his change then.

--@include time
local work_now = tonumber(time[1]) + tonumber(time[2]) / 1000000

-- seconds that a lease, and the wait behind an announced change, are at most
local work_lease_max = 600

local function work_time(seconds)
    return string.format('%.6f', seconds)
end

-- since when and by whom a member is leased, nil: it is not
local function work_held(W, member)
    local held = redis.call('HGET', W .. ':state', 'h ' .. member)

    if held then
        local since, who = string.match(held, '^(%S+) (.*)$')

        return tonumber(since), who
    end
end
