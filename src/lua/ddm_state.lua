--@readonly
--@args
--@returns rev replica enrollments
-- How far the declarations have come to a partition.
-- {rev that all its channels have, rev of the replica (both -1: there is
-- none yet), enrollments}
local T = KEYS[1]
local v = redis.call('HMGET', T .. ':ddm', 'rev', 'to')

return {tonumber(v[1] or '-1'), tonumber(v[2] or '-1'),
        redis.call('ZCARD', T .. ':ids')}
