--@readonly
--@args id with_certificate with_unlock
--@returns code own device counts users der unlock push
--@row own type parent enabled tally last_seen enrolled updated awaiting
--@row own migrated topic short_name long_name console waits
--@row device serial name model model_name product os build imei meid cert
--@row device supervised person enrollment way blocked block_time block_reason
--@row device erased lapsed
--@row counts queue bootstrap unlock bootstrap_held unlock_held
--@row push last tries result next since reason erased
-- One enrollment.  with_certificate, with_unlock: 0 or 1
-- {1, fields of the channel, fields of its device, {queue length, bootstrap
-- token is there, unlock token is there, the one is withheld, the other is},
-- user channels, DER or "", unlock token or "", what is known of pushes: when
-- the last one was answered, tries like it, what it was answered, when the
-- next one is due, since when its token is dead, and why, 1: it was erased};
-- {0}: not enrolled; a token that is there is 1, or 2: plain; times are Unix
-- seconds
--@include queue_of
--@include era_of
local T = KEYS[1]
local e = T .. ':e:' .. id
local own = redis.call('HMGET', e, 'type', 'parent', 'enabled', 'tally',
                       'last_seen', 'enrolled', 'updated', 'awaiting',
                       'migrated', 'topic', 'short_name', 'long_name',
                       'not_on_console', 'era', 'push', 'dead', 'erased')

if not own[1] then
    return {0}
end

local before = era_before(T, own[2], own[14])

-- what is gone when it is cleared

if before ~= 0 then
    own[3], own[8], own[13] = '0', nil, nil
end

if before == 2 then
    own[4], own[10] = '0', nil
end

local device = own[2] or id
local of = redis.call('HMGET', T .. ':e:' .. device, 'serial', 'name',
                      'model', 'model_name', 'product', 'os', 'build',
                      'imei', 'meid', 'cert', 'supervised', 'person',
                      'enrollment', 'way', 'blocked', 'erased', 'lapsed')
local blocked, erased, lapsed = of[15] or '', of[16] or '', of[17] or ''
local secrets = T .. ':u:' .. id
local der, unlock

if with_certificate == '1' then
    der = redis.call('GET', T .. ':crt:' .. device)
end

if with_unlock == '1' then
    unlock = redis.call('HGET', secrets, 'unlock')
end

local function there(field)
    local value = redis.call('HGET', secrets, field)

    return value and (string.sub(value, 1, 4) == '\238MK\1' and 1 or 2) or 0
end

for i = 1, 13 do
    own[i] = own[i] or ''
end

local push = {'', '', '', '', '', '', 0}

if before == 0 then
    local last, tries, result = string.match(own[15] or '',
                                             '^(%d+) (%d+) (.*)$')
    local since, reason = string.match(own[16] or '', '^(%d+) (.*)$')
    local due = redis.call('ZSCORE', T .. ':push', id)

    push = {last or '', tries or '', result or '',
            due and string.format('%.0f', math.floor(due / 1000)) or '',
            since or '', reason or '', own[17] and 1 or 0}
end

for i = 14, 17 do
    own[i] = nil
end

-- in Setup Assistant, and nobody here lets it out

own[14] = own[8] == '1' and redis.call('EXISTS', T .. ':w:' .. id) == 0
          and '1' or ''

for i = 1, 14 do
    of[i] = of[i] or ''
end

of[15] = string.match(blocked, '^%l+') or ''
of[16], of[17] = string.match(blocked, '^%l+ (%d+) %S+ %S+ %S+ (.*)$')
of[16], of[17], of[18] = of[16] or '', of[17] or '', erased
of[19] = lapsed

local users = redis.call('SMEMBERS', T .. ':users:' .. id)

table.sort(users)

return {1, own, of,
        {before == 2 and 0 or queue_length(T, id), there('bootstrap'),
         there('unlock'),
         redis.call('HEXISTS', secrets, 'bootstrap_held'),
         redis.call('HEXISTS', secrets, 'unlock_held')},
        users, der or '', unlock or '', push}
