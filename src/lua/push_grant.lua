--@volatile
--@args n rate burst
--@returns granted wait left
-- How many pushes a tenant may send now, on all hosts together (GCRA).
-- KEYS[1]: mdm:{tenant/push}; n: as many are wanted; rate: a second; burst: at
-- once, after a rest
-- {how many of them; ms until the next one may be sent; how many more may be
-- now}
--@include clock
--@include push_at
local key, n = KEYS[1] .. ':rate', tonumber(n)
local rate, burst = tonumber(rate), math.max(1, tonumber(burst))
local time = clock_time()

-- microseconds, and what one push takes of them

local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local step = 1000000 / rate

-- a time that is too far ahead comes from a clock that was wrong, or of a rate
-- that was lower

local kept = tonumber(redis.call('GET', key) or '0')
local room = burst * step
local last = math.min(math.max(kept, now), now + room)

local free = math.floor((now + room - last) / step + 0.000001)
local granted = math.min(n, free)

last = last + granted * step

if granted > 0 or kept > last then
    redis.call('SET', key, string.format('%.0f', last), 'EX',
               math.ceil(room / 1000000) + 1)
end

local wait = math.max(0, math.ceil((last + step - now - room) / 1000))

return {granted, wait, free - granted}
