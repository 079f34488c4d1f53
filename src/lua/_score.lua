-- Order by time, but never by a clock: see _clock.lua, which is to be included
-- before.

-- The newest score of a zset that is ordered by clock_score(), or "0": as
-- text, in seconds with six decimals.
local function clock_newest(key)
    local newest = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')

    return string.format('%.6f', tonumber(newest[2] or '0'))
end

-- The score for the next member: TIME, with microseconds, or just above the
-- newest score and "floor".  Microseconds of this millennium are exact as a
-- double.
local function clock_score(key, floor)
    local time = clock_time()
    local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
    local newest = math.max(tonumber(clock_newest(key)),
                            tonumber(floor or '0'))
    local above = math.floor(newest * 1000000 + 0.5) + 1

    return string.format('%.6f', math.max(now, above) / 1000000)
end
