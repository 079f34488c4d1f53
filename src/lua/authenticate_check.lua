--@readonly
-- What is pinned to this device?  ARGV: device
-- {known, cert or "", serial or ""}
local v = redis.call('HMGET', KEYS[1] .. ':e:' .. ARGV[1],
                     'type', 'cert', 'serial')

return {v[1] and 1 or 0, v[2] or '', v[3] or ''}
