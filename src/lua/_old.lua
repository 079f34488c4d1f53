-- What nothing needs any more, but is too much to be taken away by one
-- script: lists of queues that were emptied, values of status that channels
-- of before have reported, users of a former era of their device.  T:old is
-- a zset of it, "q:<n>", "s:<n>:<id>" and "u:<id>" by number; the key of the
-- first two is T:old:<n>.  Scripts that make more of it take some of it away:
-- old_sweep() in _era.lua.

-- steps that a script may spend on it: a reference dropped is one
local old_room = 500

-- a number that no member has
local function old_number(T)
    local newest = redis.call('ZRANGE', T .. ':old', -1, -1, 'WITHSCORES')

    return (tonumber(newest[2] or '0')) + 1
end

-- sets a key aside; "rest" is what is to be known of it
local function old_move(T, kind, key, rest)
    local n = string.format('%.0f', old_number(T))

    redis.call('RENAME', key, T .. ':old:' .. n)
    redis.call('ZADD', T .. ':old', n, kind .. ':' .. n .. rest)
end
