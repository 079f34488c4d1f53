--@refuses
--@args who address limit notify id
--@returns code
-- A declaration gets another ServerToken, so that devices fetch it again.
-- notify: 0 or 1
-- {1}; {-1}: there is none; {-100, …}: see outbox_full()
--@include event
--@include ddm_change
--@include outbox_full
local D = KEYS[1]
local key = D .. ':d:' .. id
local v = redis.call('HMGET', key, 'type', 'payload', 'touch')

if not v[1] then
    return {-1}
end

local full = outbox_full(D, limit)

if full then
    return full
end

local touch = tonumber(v[3] or '0') + 1

ddm_retire(D, id)
redis.call('HSET', key, 'touch', touch, 'token',
           redis.sha1hex(v[1] .. '\n' .. v[2] .. '\n' .. touch))

ddm_row(D, id, ddm_change(D, redis.call('SMEMBERS', D .. ':in:' .. id),
                          notify))
event(D, limit, 'api.Declaration', id,
      {by = who, address = address, type = v[1], change = 'touched'})

return {1}
