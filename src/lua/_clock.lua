-- Redis' TIME may run backwards: after a failover, after a correction.  What
-- goes by it is at most imprecise for a while; order never goes by it.

local clock_read

-- seconds and microseconds, of when the script first asked
local function clock_time()
    if not clock_read then
--@include time
        clock_read = time
    end

    return clock_read
end

local function clock()
    return tonumber(clock_time()[1])
end

-- is a time from which something is done at most once a minute over?  One
-- that is ahead is of a clock that was wrong.
local function clock_minute(last, now)
    last = tonumber(last or '')

    return not last or last > now or now - last >= 60
end
