--@refuses
--@args who address limit device token raw
--@returns code outcome
-- Takes over the bootstrap token that another server has escrowed.
-- {0, outcome}; outcome "updated", or "kept": it is there already, or the
-- device has spoken here since, and what it said is newer; {-1}: the device
-- is not enrolled; {-100, …}: see outbox_full()
--@include event
--@include outbox_full
local T = KEYS[1]
local key = T .. ':u:' .. device
local v = redis.call('HMGET', T .. ':e:' .. device, 'type', 'cert', 'mtoken',
                     'gen', 'tally', 'csub')

if not v[1] then
    return {-1}
end

local old = redis.call('HGET', key, 'bootstrap')

-- with a certificate, or that of before a reset, the device itself has been
-- here: a token that is kept may be its own, and who has enrolled here escrows
-- another one

if old == token or (v[2] or v[6]) and (old or not v[3]) then
    return {0, 'kept'}
end

local full = outbox_full(T, limit)

if full then
    return full
end

redis.call('HSET', key, 'bootstrap', token, 'bootstrap_gen', v[4] or '0')
redis.call('HDEL', key, 'bootstrap_held')

event(T, limit, 'api.Migrate', device,
      {by = who, address = address, message = 'SetBootstrapToken',
       outcome = 'updated', tally = tonumber(v[5] or '0')}, raw)

return {0, 'updated'}
