--@onekey
--@args runner most held work...
--@returns next kept taken
-- Leases work that is due to a runner, and renews what it has.
-- KEYS[1]: mdm:{work}; most: how many it takes; held: the number of those that
-- it has; work: each of them and its lease (seconds); then each kind that it
-- knows, how many of this kind at most, its lease, …
-- {milliseconds until more is due of what it has room for, -1: there is none;
--  {1 or 0 for each that it has: 0, it has lost it},
--  {what it takes, "kind tenant", …}}
--@include work
local W, most = KEYS[1], tonumber(most)
local kinds = work_at + 2 * tonumber(held)
local kept, taken, rooms, due, next = {}, {}, {}, {}, -1

local function work_lease(work, lease)
    local key, tenant = work_place(W, work)

    lease = math.min(tonumber(lease), work_lease_max)
    redis.call('ZADD', key, work_time(work_now + lease), tenant)
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

-- Of each kind those that are due for longest, as many as there is room for: a
-- kind that has none, or that nobody knows any more, keeps nothing from others.

for i = kinds, #ARGV - 2, 3 do
    local kind, room = ARGV[i], math.min(tonumber(ARGV[i + 1]), most)
    local key = work_due(W, kind)

    -- a lease that ends too late was made when the clock was wrong

    local last = redis.call('ZRANGE', key, -8, -1, 'WITHSCORES')

    for k = 1, #last, 2 do
        if tonumber(last[k + 1]) > work_now + work_lease_max
            and work_held(W, kind .. ' ' .. last[k])
        then
            redis.call('ZADD', key, work_time(work_now), last[k])
        end
    end

    if room > 0 then
        local list = redis.call('ZRANGEBYSCORE', key, '-inf',
                                work_time(work_now), 'WITHSCORES',
                                'LIMIT', 0, room)

        for k = 1, #list, 2 do
            due[#due + 1] = {work = kind .. ' ' .. list[k], key = key,
                             at = tonumber(list[k + 1]), n = #due,
                             lease = ARGV[i + 2]}
        end

        rooms[key] = room
    end
end

table.sort(due, function(a, b)
    return a.at < b.at or a.at == b.at and a.n < b.n
end)

for i = 1, math.min(most, #due) do
    local work = due[i].work

    taken[i] = work
    rooms[due[i].key] = rooms[due[i].key] - 1

    redis.call('HSET', W .. ':state', 'h ' .. work,
               work_time(work_now) .. ' ' .. runner)
    work_lease(work, due[i].lease)
end

for key, room in pairs(rooms) do
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')

    if room > 0 and first[2] then
        local left = math.ceil((tonumber(first[2]) - work_now) * 1000)

        left = math.max(0, left)
        next = next < 0 and left or math.min(next, left)
    end
end

return {next, kept, taken}
