-- What nobody needs any more, but is too much for one script to delete: lists
-- of queues that were emptied, status values that channels of a former era
-- reported, users of a former era of their device.  T:old is a zset of it,
-- "q:<n>", "s:<n>:<id>" and "u:<id>" by number; the key of the first two is
-- T:old:<n>.  Scripts that add to it delete some of it: old_sweep() in
-- _era.lua.

-- steps that a script may spend on it: dropping a reference is one step
local old_room = 500

-- a number that no member has
local function old_number(T)
    local newest = redis.call('ZRANGE', T .. ':old', -1, -1, 'WITHSCORES')

    return (tonumber(newest[2] or '0')) + 1
end

-- sets a key aside; "rest" is what the sweep has to know of it
local function old_move(T, kind, key, rest)
    local n = string.format('%.0f', old_number(T))

    redis.call('RENAME', key, T .. ':old:' .. n)
    redis.call('ZADD', T .. ':old', n, kind .. ':' .. n .. rest)
end
