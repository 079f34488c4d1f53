--@volatile
--@args id device cert console?
--@returns code uuid type body|name token|serial time|person client|keys
-- Connect, Idle: the poll.  It writes nothing but last_seen, once a minute.
-- console: NotOnConsole of a user (0 or 1)
-- a reply of deliver(), or {code of auth()}
local T = KEYS[1]
local e = T .. ':e:' .. id
local v, kind, pin

if id == device then
    v = redis.call('HMGET', e, 'type', 'cert', 'enabled', 'last_seen', 'q')
    kind, pin = v[1], v[2]

else
    v = redis.call('HMGET', e, 'type', 'era', 'enabled', 'last_seen', 'q',
                   'not_on_console')

    local d = redis.call('HMGET', T .. ':e:' .. device, 'type', 'cert', 'era')

    kind, pin = d[1], d[2]

    -- of a former era of its device: see _era.lua

    if (v[2] or '') ~= (d[3] or '') then
        v[3] = '0'
    end
end

if not kind then
    return {-1}
end

if pin ~= cert then

    if not pin then
        return {-3}
    end

--@include next
    local code = certificate_next(T, device, cert)

    if code ~= 0 then
        return {code}
    end
end

if not v[1] then
    return {0}
end

--@include time
local now = tonumber(time[1])
local last = tonumber(v[4] or '')

-- as clock_minute() has it, but without making a function at each poll

if not last or last > now or now - last >= 60 then
    local r = redis.pcall('HSET', e, 'last_seen', now)

    -- a server that is full can wait for it, the device cannot

    if type(r) == 'table' and r.err
        and not string.find(r.err, 'OOM', 1, true)
    then
        return r
    end
end

-- a user of a Mac came to the screen, or left it

if id ~= device and v[6] ~= (console == '1' and '1' or false) then

    if v[6] then
        redis.pcall('HDEL', e, 'not_on_console')
    else
        redis.pcall('HSET', e, 'not_on_console', 1)
    end
end

if v[3] ~= '1' or not v[5] then
    return {0}
end

--@include deliver
return deliver(T, id, v[5])
