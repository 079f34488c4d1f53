--@readonly
--@args id device
--@returns known product os type supervised
-- Is anything of a channel there, and of which device is it?
-- device: the channel of the device, "": as the enrollment says
-- {1: it is enrolled, or was given something, ProductName, OSVersion, type of
-- the channel, "1", "0", or "": is the device supervised?}
local T = KEYS[1]
local e = redis.call('HMGET', T .. ':e:' .. id, 'type', 'parent')
local v = redis.call('HMGET', T .. ':e:'
                     .. (device ~= '' and device or e[2] or id),
                     'product', 'os', 'supervised')
local known = e[1] or redis.call('EXISTS', T .. ':d:' .. id) == 1

return {known and 1 or 0, v[1] or '', v[2] or '', e[1] or '', v[3] or ''}
