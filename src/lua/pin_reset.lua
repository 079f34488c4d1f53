--@args who address limit device
--@returns code
-- Forgets the certificate that is pinned to a device.
-- {1}: done; {0}: none is pinned; {-1}: not enrolled
--@include event
local T = KEYS[1]
local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'type', 'cert')

if not v[1] then
    return {-1}
end

if not v[2] then
    return {0}
end

-- csub stays: it says whose secrets are kept, also without the certificate

redis.call('HDEL', e, 'cert', 'next', 'was', 'was_until', 'cert_ca',
           'cert_serial', 'cert_end', 'lapsed')
redis.call('ZREM', T .. ':exp', device)
redis.call('UNLINK', T .. ':crt:' .. device, T .. ':ren:' .. device)

event(T, limit, 'api.PinReset', device,
      {by = who, address = address, cert = hex(v[2])})

return {1}
