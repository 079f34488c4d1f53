--@owes
--@refuses
--@args who address limit message id device kind awaiting unlock raw uuid body
--@args fields...
--@returns code outcome tally fresh follow owed
-- Takes over an enrollment of another server, without its certificate.
-- message: MessageType; awaiting: 0 or 1; unlock: the token or ""; uuid, body:
-- of a command that tells of declarations; fields: field, value, …
-- {0, outcome, tally, fresh, follow, owed: see token_update}; outcome
-- "created", "updated", or "kept": the device itself has spoken here since, and
-- what it said is newer;
-- {-1}: the device of this user is not enrolled; {-7}: too many users;
-- {-100, …}: see outbox_full()
--@include event
--@include clock
--@include queue
--@include status
--@include era
--@include ddm
--@include outbox_full
local T = KEYS[1]
local full = outbox_full(T, limit)

if full then
    return full
end

local e = T .. ':e:' .. id

if id ~= device then
    era_enter(T, id)
end

local v = redis.call('HMGET', e, 'type', 'cert', 'token', 'magic', 'mtoken',
                     'tally', 'gen', 'enabled')
local tally = tonumber(v[6] or '0')
local fields, at = {}, {}

-- the token that /migration brought last is recognized by its digest

local function digest(token, magic)
    return string.sub(redis.sha1hex(#token .. ':' .. token .. magic), 1, 16)
end

for i = fields_at, #ARGV - 1, 2 do
    fields[#fields + 1] = ARGV[i]
    fields[#fields + 1] = ARGV[i + 1]
    at[ARGV[i]] = ARGV[i + 1]
end

if id ~= device then
    local d = redis.call('HMGET', T .. ':e:' .. device, 'type', 'cert',
                         'mtoken')

    if not d[1] then
        return {-1}
    end

    -- the device has enrolled here, so its users will do so themselves

    if d[2] and not d[3] then
        return {0, 'kept', tally, 0, 0, 0}
    end

    if not v[1] and redis.call('SCARD', T .. ':users:' .. device) >= 1000 then
        return {-7}
    end
end

if v[1] then
    local mine = v[5] or ''
    local own

    if v[3] then
        own = digest(v[3], v[4] or '') ~= mine
    else
        own = v[2] and mine == ''
    end

    if own then
        return {0, 'kept', tally, 0, 0, 0}
    end
end

local now = clock()

if not v[1] then
    redis.call('HSET', e, 'type', kind, 'enabled', 0, 'tally', 0,
               'enrolled', now, 'mtoken', '-')

    if id == device then
        redis.call('HSET', e, 'migrated', 1)
    else
        redis.call('HSET', e, 'parent', device)

        if era(T, device) ~= '' then
            redis.call('HSET', e, 'era', era(T, device))
        end

        redis.call('SADD', T .. ':users:' .. device, id)
    end

    redis.call('ZADD', T .. ':ids', 0, id)
end

for i = 1, #fields, 2 do
    redis.call('HSET', e, fields[i], fields[i + 1])
end

if message == 'TokenUpdate' then
    local mine = digest(at.token or '', at.magic or '')

    -- the same once more is a retry, which counts as no new TokenUpdate

    if mine ~= v[5] then
        tally = redis.call('HINCRBY', e, 'tally', 1)
    end

    redis.call('HSET', e, 'mtoken', mine, 'enabled', 1, 'updated', now)
    redis.call('HDEL', e, 'out')

    if awaiting == '1' then
        redis.call('HSET', e, 'awaiting', 1)
    else
        redis.call('HDEL', e, 'awaiting')
    end

    if unlock ~= '' then
        redis.call('HSET', T .. ':u:' .. id, 'unlock', unlock,
                   'unlock_gen', v[7] or '0')
    end
end

local outcome = v[1] and 'updated' or 'created'

event(T, limit, 'api.Migrate', id,
      {by = who, address = address, message = message,
       outcome = outcome, tally = tally}, raw)

local ctx = {now = now, uuid = uuid, body = body}
local fresh, follow, owed = v[8] ~= '1', 0, 0

if message == 'TokenUpdate' then
    follow = 1 + ddm_enabled(T, id, ctx, limit, fresh)
    owed = push_anew(T, id)

elseif message == 'Authenticate' then
    redis.call('HDEL', e, 'erased')
end

return {0, outcome, tally, fresh and 1 or 0, follow, owed}
