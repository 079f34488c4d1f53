--@onekey
--@args runner most held work...
--@returns next kept taken
-- Leases work that is due to a runner, and renews what it has.
-- KEYS[1]: mdm:{work}; most: how many it takes; held: the number of those that
-- it has; work: each of them and its lease (seconds); then kind, how many of
-- this kind at most, its lease, …
-- {milliseconds until the next is due, -1: there is none;
--  {1 or 0 for each that it has: 0, it has lost it},
--  {what it takes, "kind tenant", …}}
--@include work
local W, most = KEYS[1], tonumber(most)
local kinds = work_at + 2 * tonumber(held)
local kept, taken, wanted, leases = {}, {}, {}, {}

local function work_lease(member, lease)
    lease = math.min(tonumber(lease), work_lease_max)
    redis.call('ZADD', W, work_time(work_now + lease), member)
end

for i = work_at, kinds - 1, 2 do
    local _, who = work_held(W, ARGV[i])

    if who == runner then
        work_lease(ARGV[i], ARGV[i + 1])
        kept[#kept + 1] = 1
    else
        kept[#kept + 1] = 0
    end
end

for i = kinds, #ARGV - 2, 3 do
    wanted[ARGV[i]] = tonumber(ARGV[i + 1])
    leases[ARGV[i]] = ARGV[i + 2]
end

-- a lease that ends too late was made when the clock was wrong

local last = redis.call('ZRANGE', W, -8, -1, 'WITHSCORES')

for i = 1, #last, 2 do
    if tonumber(last[i + 1]) > work_now + work_lease_max
        and work_held(W, last[i])
    then
        redis.call('ZADD', W, work_time(work_now), last[i])
    end
end

local due = most > 0 and redis.call('ZRANGEBYSCORE', W, '-inf',
                                    work_time(work_now), 'LIMIT', 0, 256)
            or {}

for _, member in ipairs(due) do
    local kind = string.match(member, '^(%S+) ') or ''

    if #taken < most and (wanted[kind] or 0) > 0 then
        wanted[kind] = wanted[kind] - 1
        taken[#taken + 1] = member
        redis.call('HSET', W .. ':state', 'h ' .. member,
                   work_time(work_now) .. ' ' .. runner)
        work_lease(member, leases[kind])
    end
end

local first = redis.call('ZRANGE', W, 0, 0, 'WITHSCORES')
local left = -1

if first[2] then
    left = math.max(0, math.ceil((tonumber(first[2]) - work_now) * 1000))
end

return {left, kept, taken}
