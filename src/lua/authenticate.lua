-- Authenticate: a fresh start of a device under this certificate.
-- ARGV: device, cert, the pin that was checked ("": none), type, once,
--       DER to keep or "", event limit, raw, then field, value, …
-- {0, gen}; {-6}: the pin has changed since it was checked
--@include event
--@include queue
--@include auth
--@include status
--@include ddm
local T, device, cert, checked = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local kind, once, der, limit, raw = ARGV[4], ARGV[5], ARGV[6], ARGV[7],
                                    ARGV[8]
local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'cert', 'gen', 'once', 'dts')
local pin = v[1] or ''

if v[3] == once then
    return {0, tonumber(v[2])}
end

if pin ~= checked then
    return {-6}
end

local now = clock()
local gen = tonumber(v[2] or '0') + 1
local users = redis.call('SMEMBERS', T .. ':users:' .. device)

for _, user in ipairs(users) do
    local u = T .. ':e:' .. user

    queue_clear(T, user)
    ddm_forget(T, user)
    redis.call('HDEL', u, 'token', 'magic', 'topic')
    redis.call('HSET', u, 'enabled', 0, 'tally', 0)
end

queue_clear(T, device)
ddm_forget(T, device)

redis.call('DEL', e)
redis.call('HSET', e, 'type', kind, 'cert', cert, 'enabled', 0, 'tally', 0,
           'gen', gen, 'once', once, 'enrolled', now, 'last_seen', now)

-- the time of a DeclarationsToken never runs backwards

if v[4] then
    redis.call('HSET', e, 'dts', v[4])
end

for i = 9, #ARGV - 1, 2 do
    redis.call('HSET', e, ARGV[i], ARGV[i + 1])
end

redis.call('ZADD', T .. ':ids', 0, device)

if der ~= '' then
    redis.call('SET', T .. ':crt:' .. device, der)
else
    redis.call('DEL', T .. ':crt:' .. device)
end

local data = {gen = gen}

if pin ~= '' and pin ~= cert then
    data.cert = hex(cert)
    data.replaced = hex(pin)
end

event(T, limit, 'mdm.Authenticate', device, data, raw)

return {0, gen}
