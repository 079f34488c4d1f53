-- CheckOut: the channel is disabled; a device's takes its users with it.
-- ARGV: id, device, cert, event limit, raw
-- {0} or {code of auth()}
--@include event
--@include queue
--@include auth
--@include status
--@include ddm
local T, id, device, cert = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local limit, raw = ARGV[4], ARGV[5]
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

if id == device then
    redis.call('HSET', T .. ':e:' .. id, 'out', 1)
end

if redis.call('HGET', T .. ':e:' .. id, 'enabled') ~= '1' then
    return {0}
end

local ids = {id}

if id == device then
    for _, user in ipairs(redis.call('SMEMBERS', T .. ':users:' .. id)) do
        ids[#ids + 1] = user
    end
end

for _, one in ipairs(ids) do
    redis.call('HSET', T .. ':e:' .. one, 'enabled', 0)

    -- what another server knows is older from now on

    redis.call('HDEL', T .. ':e:' .. one, 'mtoken')
    ddm_forget(T, one)
end

redis.call('HSET', T .. ':e:' .. id, 'last_seen', clock())
event(T, limit, 'mdm.CheckOut', id, {users = #ids - 1}, raw)

return {0}
