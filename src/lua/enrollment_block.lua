--@readonly
--@args device
--@returns known name
-- By which block mdm_enrollment did a device enroll?
-- {1: it is enrolled, name of the block, or "": by none}
local v = redis.call('HMGET', KEYS[1] .. ':e:' .. device, 'type', 'enrollment')

return {v[1] and 1 or 0, v[2] or ''}
