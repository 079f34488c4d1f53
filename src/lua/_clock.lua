-- Redis' TIME may run backwards: after a failover, or when it is corrected.
-- What depends on it is imprecise for a while at worst; order never depends on
-- it.

local clock_read

-- seconds and microseconds at the time when the script first asked
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

-- Has a minute passed since then?  A time that is ahead comes from a clock that
-- was wrong, and counts as passed.
local function clock_minute(last, now)
    last = tonumber(last or '')

    return not last or last > now or now - last >= 60
end
