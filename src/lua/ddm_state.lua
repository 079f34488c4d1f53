--@readonly
--@args
--@returns rev replica cursor enrollments
-- How far the declarations have come to a partition.
-- {rev that all its channels have, rev of the replica (both -1: there is
-- none yet), revision up to which it has had pages since, or -1, enrollments}
local T = KEYS[1]
local v = redis.call('HMGET', T .. ':ddm', 'rev', 'to', 'in')

return {tonumber(v[1] or '-1'), tonumber(v[2] or '-1'),
        tonumber(v[3] or '-1'), redis.call('ZCARD', T .. ':ids')}
