--@readonly
-- What is pinned to this device?  ARGV: device
-- {known, cert or "", serial or "", migrated}
local v = redis.call('HMGET', KEYS[1] .. ':e:' .. ARGV[1],
                     'type', 'cert', 'serial', 'migrated')

return {v[1] and 1 or 0, v[2] or '', v[3] or '', v[4] and 1 or 0}
