-- A declaration gets another ServerToken, so that devices fetch it again.
-- ARGV: event limit, who, address, notify (0 or 1), id
-- {1}; {-1}: there is none
--@include event
--@include ddm_change
local D, id = KEYS[1], ARGV[5]
local key = D .. ':d:' .. id
local v = redis.call('HMGET', key, 'type', 'payload', 'touch')

if not v[1] then
    return {-1}
end

local touch = tonumber(v[3] or '0') + 1

ddm_retire(D, id)
redis.call('HSET', key, 'touch', touch, 'token',
           redis.sha1hex(v[1] .. '\n' .. v[2] .. '\n' .. touch))

ddm_change(D, redis.call('SMEMBERS', D .. ':in:' .. id), ARGV[4])
event(D, ARGV[1], 'api.Declaration', id,
      {by = ARGV[2], address = ARGV[3], type = v[1], change = 'touched'})

return {1}
