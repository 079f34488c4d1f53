--@readonly
--@args
--@returns rev watchers
-- The watchers of status values, as this partition has them.
-- {revision of the copy, with how often it began anew ("-": there is none),
-- watchers (JSON, or "")}
local v = redis.call('HMGET', KEYS[1] .. ':ddm', 'to', 'w', 'gen')

return {v[1] and (v[3] or '0') .. '.' .. v[1] or '-', v[2] or ''}
