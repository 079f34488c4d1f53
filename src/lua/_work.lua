-- What all scripts of mdm:{work} share.  A piece of work is "kind tenant".
-- mdm:{work}:due:<kind> is a zset of tenants, scored by the time when a worker
-- must look at them (Unix seconds): a zset a kind, so that no kind hides
-- another one.  The hash mdm:{work}:state has the fields "h <work>": since when
-- it is leased, and by whom; "k <work>": when it was last kicked; "n <work>":
-- when a worker must look again even if one has looked, because a change that
-- was announced may not have been made by then.

--@include time
local work_now = tonumber(time[1]) + tonumber(time[2]) / 1000000

-- at most so many seconds of a lease, and until an announced change is made
local work_lease_max = 600

local function work_time(seconds)
    return string.format('%.6f', seconds)
end

local function work_due(W, kind)
    return W .. ':due:' .. kind
end

-- the zset of a piece of work, and its member there
local function work_place(W, work)
    local kind, tenant = string.match(work, '^(%S+) (.*)$')

    return work_due(W, kind), tenant
end

-- since when and by whom work is leased; nil: it is not leased
local function work_held(W, work)
    local held = redis.call('HGET', W .. ':state', 'h ' .. work)

    if held then
        local since, who = string.match(held, '^(%S+) (.*)$')

        return tonumber(since), who
    end
end
