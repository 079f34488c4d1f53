-- Pushes that are owed: T:push, a zset of channels by when a push is due (Unix
-- ms).  What is behind the point of a score says where the entry stands: .0, a
-- push is owed; .5, one was sent, and commands wait still; .25 and .75, it is
-- leased, and was .0 or .5 before.  Include clock before.

-- milliseconds
local function push_now()
    local time = clock_time()

    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function push_score(due)
    return string.format('%.2f', due)
end

local function push_set(T, id, due)
    redis.call('ZADD', T .. ':push', push_score(due), id)
end
