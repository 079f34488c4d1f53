--@readonly
--@args
--@returns rev watchers
-- The watchers of status values, as this partition has them.
-- {revision of the copy ("-": there is none), watchers (JSON, or "")}
local v = redis.call('HMGET', KEYS[1] .. ':ddm', 'to', 'w')

return {v[1] or '-', v[2] or ''}
