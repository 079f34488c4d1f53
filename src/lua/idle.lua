--@volatile
-- Connect, Idle: the poll.  Read-only but for last_seen, once a minute.
-- ARGV: id, device, cert
-- a reply of deliver(), or {code of auth()}
local T, id, device, cert = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local e = T .. ':e:' .. id
local v = redis.call('HMGET', e, 'type', 'cert', 'enabled', 'last_seen', 'q')
local kind, pin = v[1], v[2]

if id ~= device then
    local d = redis.call('HMGET', T .. ':e:' .. device, 'type', 'cert')
    kind, pin = d[1], d[2]
end

if not kind then
    return {-1}
end

if pin ~= cert then
    return {pin and -2 or -3}
end

if not v[1] then
    return {0}
end

local now = tonumber(redis.call('TIME')[1])

if not v[4] or now - tonumber(v[4]) >= 60 then
    local r = redis.pcall('HSET', e, 'last_seen', now)

    -- a server that is full can wait for it, the device cannot

    if type(r) == 'table' and r.err
        and not string.find(r.err, 'OOM', 1, true)
    then
        return r
    end
end

if v[3] ~= '1' or not v[5] then
    return {0}
end

--@include deliver
return deliver(T, id, v[5])
