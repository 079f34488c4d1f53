--@readonly
--@args
--@returns rev watchers filters
-- The watchers of status values, and the filters of sets, as this partition
-- has them.
-- {revision of the copy ("-": there is none), watchers (JSON, or ""), filters
-- (JSON, or "")}
local v = redis.call('HMGET', KEYS[1] .. ':ddm', 'to', 'w', 'f')

return {v[1] or '-', v[2] or '', v[3] or ''}
