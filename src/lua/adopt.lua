--@args who address limit device name keys
--@returns code
-- From now on a device counts as one that has enrolled by this block
-- mdm_enrollment.  keys: digest of what it does not let a profile change
-- {1}: done, {0}: it did before; {-1}: not enrolled
--@include event
--@include clock
local T = KEYS[1]
local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'type', 'enrollment', 'keys')

if not v[1] then
    return {-1}
end

if v[2] == name and v[3] == keys then
    return {0}
end

redis.call('HSET', e, 'enrollment', name, 'keys', keys)

-- why its certificate is not renewed may not hold any more

if redis.call('EXISTS', T .. ':ren:' .. device) == 1 then
    redis.call('HDEL', T .. ':ren:' .. device, 'told')
    redis.call('ZADD', T .. ':exp', clock(), device)
end

event(T, limit, 'api.EnrollmentAdopt', device,
      {by = who, address = address, enrollment = name})

return {1}
