-- Forgets the certificate that is pinned to a device.
-- ARGV: device, event limit, who, address
-- {1}: done; {0}: none is pinned; {-1}: not enrolled
--@include event
local T, device = KEYS[1], ARGV[1]
local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'type', 'cert')

if not v[1] then
    return {-1}
end

if not v[2] then
    return {0}
end

-- csub stays: whose secrets these are is not forgotten with the certificate

redis.call('HDEL', e, 'cert')
redis.call('UNLINK', T .. ':crt:' .. device)

event(T, ARGV[2], 'api.PinReset', device,
      {by = ARGV[3], address = ARGV[4], cert = hex(v[2])})

return {1}
