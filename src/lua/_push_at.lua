-- Pushes that are owed: T:push, a zset of channels by when a push is due (Unix
-- ms).  What is behind the point of a score says where the entry stands: .0, a
-- push is owed; .5, one was sent, and commands wait still; .25 and .75, it is
-- leased, and was .0 or .5 before.  Include clock before.

-- milliseconds
local function push_now()
    local time = clock_time()

    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- As a double a number of 13 digits takes long to write.

local push_score

-- a script has 200 locals at most

do
    local parts = {[0] = '', [0.25] = '.25', [0.5] = '.5', [0.75] = '.75'}

    function push_score(due)
        local part = due % 1
        local text = parts[part]

        if not text or due < 0 then
            return string.format('%.2f', due)
        end

        due = due - part

        return string.format('%d%06d', math.floor(due / 1000000),
                             due % 1000000) .. text
    end
end

local function push_set(T, id, due)
    redis.call('ZADD', T .. ':push', push_score(due), id)
end
