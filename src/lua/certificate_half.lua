--@args sn fields...
--@returns code
-- A certificate is about to be stored in several slots: if that is not done by
-- then, a job does it.  KEYS[1]: mdm:{tenant/ca}; sn: serial number, hex;
-- fields: what the job needs, field, value, …; "ends" is one: Unix seconds
-- {1}
--@include clock
local C = KEYS[1]
local h = C .. ':h:' .. sn

redis.call('HSET', h, unpack(ARGV, fields_at))
redis.call('EXPIREAT', h, redis.call('HGET', h, 'ends'))
redis.call('ZADD', C .. ':half', string.format('%.0f', clock() + 30), sn)

return {1}
