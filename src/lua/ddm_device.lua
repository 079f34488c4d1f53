--@readonly
-- Is anything of a channel there, and of which device is it?
-- ARGV: id, device
-- {1: it is enrolled, or was given something, ProductName, OSVersion}
local T, id = KEYS[1], ARGV[1]
local v = redis.call('HMGET', T .. ':e:' .. ARGV[2], 'product', 'os')
local known = redis.call('HEXISTS', T .. ':e:' .. id, 'type') == 1
              or redis.call('EXISTS', T .. ':d:' .. id) == 1

return {known and 1 or 0, v[1] or '', v[2] or ''}
