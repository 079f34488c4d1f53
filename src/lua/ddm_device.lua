--@readonly
--@args id device
--@returns known product os
-- Is anything of a channel there, and of which device is it?
-- {1: it is enrolled, or was given something, ProductName, OSVersion}
local T = KEYS[1]
local v = redis.call('HMGET', T .. ':e:' .. device, 'product', 'os')
local known = redis.call('HEXISTS', T .. ':e:' .. id, 'type') == 1
              or redis.call('EXISTS', T .. ':d:' .. id) == 1

return {known and 1 or 0, v[1] or '', v[2] or ''}
