--@args who address limit device cert checked kind nonce der raw known serial
--@args subject withhold fields...
--@returns code gen withheld
-- Authenticate: a fresh start of a device under this certificate.
-- checked: the pin that was checked ("": none); der: DER to keep or ""; known
-- (0 or 1), serial: as they were checked; subject: its digest; withhold: 1:
-- what is kept was escrowed by somebody else; fields: field, value, …
-- {0, gen, withheld}; {-6}: what was checked has changed since
--@include event
--@include auth
--@include queue
--@include status
--@include era
--@include ddm
local T = KEYS[1]
local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'cert', 'gen', 'once', 'dts', 'type',
                     'serial', 'fence')
local pin = v[1] or ''

if v[3] == nonce then
    return {0, tonumber(v[2]), 0}
end

if pin ~= checked or (v[5] and '1' or '0') ~= known
    or (v[6] or '') ~= serial
then
    return {-6}
end

local now = clock()
local gen = tonumber(v[2] or '0') + 1
queue_clear(T, device)
push_drop(T, device)
ddm_forget(T, device)

redis.call('DEL', e)
redis.call('HSET', e, 'type', kind, 'cert', cert, 'csub', subject,
           'enabled', 0, 'tally', 0, 'gen', gen, 'once', nonce, 'enrolled', now,
           'last_seen', now)
era_fence(T, device, v[7])
era_begin(T, device, tostring(gen))

-- the time of a DeclarationsToken must never run backwards

if v[4] then
    redis.call('HSET', e, 'dts', v[4])
end

for i = fields_at, #ARGV - 1, 2 do
    redis.call('HSET', e, ARGV[i], ARGV[i + 1])
end

redis.call('ZADD', T .. ':ids', 0, device)
old_sweep(T)

if der ~= '' then
    redis.call('SET', T .. ':crt:' .. device, der)
else
    redis.call('UNLINK', T .. ':crt:' .. device)
end

local data = {gen = gen}
local held = 0

if withhold == '1' then
    local u = T .. ':u:' .. device

    for _, name in ipairs({'bootstrap', 'unlock'}) do
        if redis.call('HEXISTS', u, name) == 1 then
            redis.call('HSET', u, name .. '_held', 1)
            data.withheld = true
            held = 1
        end
    end
end

if pin ~= '' and pin ~= cert then
    data.cert = hex(cert)
    data.replaced = hex(pin)
end

event(T, limit, 'mdm.Authenticate', device, data, raw)

return {0, gen, held}
