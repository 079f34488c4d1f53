--@args who address limit device cert checked kind nonce der raw known serial
--@args marks subject withhold renewal grace ca sn ends renew way given
--@args fields...
--@returns code gen withheld
-- Authenticate: a fresh start of a device under this certificate; with renewal
-- "1" only the certificate is another one, and nothing else is touched.
-- checked: the pin that was checked ("": none); der: DER to keep or ""; known
-- (0 or 1), serial, marks: as they were checked; subject: its digest; withhold:
-- 1: what is kept was escrowed by somebody else; grace: see renewed.lua; ca,
-- sn, ends, renew: see _certificate.lua; way: how it was asked for, or "";
-- fields: field, value, …, of which the first "given" are not the device's, but
-- what it is assigned: see _given.lua
-- {0, gen, withheld}; {-6}: what was checked has changed since, or it is
-- blocked by now
--@include event
--@include auth
--@include queue
--@include status
--@include era
--@include ddm
--@include certificate
--@include given
--@include setup
--@include marks
local T = KEYS[1]
local e = T .. ':e:' .. device
local v = redis.call('HMGET', e, 'cert', 'gen', 'once', 'dts', 'type',
                     'serial', 'fence', 'blocked', 'forget', 'marks', 'next')
local pin = v[1] or ''

if v[3] == nonce then
    return {0, tonumber(v[2]), 0}
end

if pin ~= checked or (v[5] and '1' or '0') ~= known
    or (v[6] or '') ~= serial or v[8] or marks_of(v[9], v[10]) ~= marks
    or renewal == '1' and pin ~= cert and v[11] ~= cert
then
    return {-6}
end

local now = clock()
local data = {}
local own_at = fields_at + 2 * tonumber(given)

if renewal == '1' then
    data.gen = tonumber(v[2] or '0')
    redis.call('HSET', e, 'once', nonce, 'csub', subject, 'last_seen', now)

    if pin ~= cert then
        certificate_renew(T, device, cert, pin, grace)
        event(T, limit, 'mdm.CertificateRenewed', device,
              {cert = hex(cert), replaced = hex(pin), ca = ca, serial = sn})
    end

    certificate_dates(T, device, ca, sn, ends, renew)

    if der ~= '' then
        redis.call('SET', T .. ':crt:' .. device, der)
    else
        redis.call('UNLINK', T .. ':crt:' .. device)
    end

    for i = own_at, #ARGV - 1, 2 do
        redis.call('HSET', e, ARGV[i], ARGV[i + 1])
    end

    data.renewal = true
    event(T, limit, 'mdm.Authenticate', device, data, raw)

    return {0, data.gen, 0}
end

local gen = tonumber(v[2] or '0') + 1
queue_clear(T, device)
push_drop(T, device)
setup.drop(T, device)
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

for i = own_at, #ARGV - 1, 2 do
    redis.call('HSET', e, ARGV[i], ARGV[i + 1])
end

certificate_dates(T, device, ca, sn, ends, renew)
redis.call('ZADD', T .. ':ids', 0, device)
old_sweep(T)

if der ~= '' then
    redis.call('SET', T .. ':crt:' .. device, der)
else
    redis.call('UNLINK', T .. ':crt:' .. device)
end

data.gen = gen

-- its declarations are made of it when it can be told of them

data.given = given_take(T, device, fields_at, own_at)

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

if way ~= '' then
    data.way = way
end

if pin ~= '' and pin ~= cert then
    data.cert = hex(cert)
    data.replaced = hex(pin)
end

event(T, limit, 'mdm.Authenticate', device, data, raw)

return {0, gen, held}
