--@owes
--@args who address limit id device cert kind nonce awaiting unlock raw uuid
--@args body release fields...
--@returns code tally fresh follow replica owed setup facts
-- TokenUpdate: the channel can be pushed from now on.
-- awaiting: 0 or 1; unlock: the token or ""; uuid, body: of a command that
-- tells of declarations; release: see mdm_release; fields: field, value, …
-- {0, tally, 1: the channel can be told from now on, also if the last one had
-- said so and what follows was not done, follow: 1: its declarations are those
-- of the replica's revision, 2: ddm_channel is to be called; replica (-1: there
-- is none); owed: 1: a push is due; setup: 1: setup_start is to be called, with
-- facts: what setup_facts would say};
-- {code of auth()}; {-7}: too many user channels
--@include event
--@include auth
--@include queue
--@include status
--@include era
--@include ddm
--@include setup
--@include setup_facts
local T = KEYS[1]
local e, secret = T .. ':e:' .. id, T .. ':u:' .. id
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

local v = redis.call('HMGET', e, 'type', 'tally', 'gen', 'once',
                     'enabled', 'parent', 'era', 'fresh')

local function setup_owed()
    if redis.call('HGET', T .. ':w:' .. id, 'state') ~= 'owed' then
        return 0
    end

    return 1, setup_facts(T, id, device)
end

-- the answer was lost, and perhaps all that should have followed it

if v[4] == nonce then
    return {0, tonumber(v[2]), 1, 2, -1, 1, setup_owed()}
end

if id ~= device and not v[1] then

    if redis.call('SCARD', T .. ':users:' .. device) >= 1000 then
        return {-7}
    end

    redis.call('SADD', T .. ':users:' .. device, id)
    redis.call('ZADD', T .. ':ids', 0, id)
    redis.call('HSET', e, 'type', kind, 'parent', device)
end

if era_before(T, v[6], v[7]) ~= 0 then
    era_enter(T, id)
    v[5] = '0'
end

if id ~= device and era(T, device) ~= '' then
    redis.call('HSET', e, 'era', era(T, device))
end

local now = clock()
local tally = redis.call('HINCRBY', e, 'tally', 1)

redis.call('HSET', e, 'enabled', 1, 'once', nonce, 'updated', now,
           'last_seen', now)

-- what filters and variables go by

local names = {short_name = 1, long_name = 1}
local fresh = v[5] ~= '1' or v[8] == '1'
local look = fresh

for i = fields_at, #ARGV - 1, 2 do
    look = look or names[ARGV[i]]
                   and redis.call('HGET', e, ARGV[i]) ~= ARGV[i + 1]
    redis.call('HSET', e, ARGV[i], ARGV[i + 1])
end

if awaiting == '1' then
    redis.call('HSET', e, 'awaiting', 1)
else
    redis.call('HDEL', e, 'awaiting')
end

redis.call('HDEL', e, 'out', 'forget')

-- What a new one is to have first: whoever sent this script sees to it, or
-- later on a job.

local w = T .. ':w:' .. id

if tally == 1 then
    setup.drop(T, id)
    redis.call('HSET', w, 'state', 'owed', 'release', release)
    redis.call('ZADD', T .. ':wait', now + 10, id)

elseif awaiting ~= '1' and redis.call('HGET', w, 'state') ~= 'owed' then
    setup.out(T, id)
end

local gen = v[3] or '0'

if unlock ~= '' then
    redis.call('HSET', secret, 'unlock', unlock, 'unlock_gen', gen)
    redis.call('HDEL', secret, 'unlock_held')
end

-- In Setup Assistant right after an Authenticate the device is a new one:
-- what the old one escrowed opens nothing any more.  A renewal never waits.

if id == device and awaiting == '1' and tally == 1 then
    local g = redis.call('HMGET', secret, 'bootstrap_gen', 'unlock_gen')

    if g[1] and g[1] ~= gen then
        redis.call('HDEL', secret, 'bootstrap', 'bootstrap_gen',
                   'bootstrap_held')
    end

    if g[2] and g[2] ~= gen then
        redis.call('HDEL', secret, 'unlock', 'unlock_gen', 'unlock_held')
    end
end

event(T, limit, 'mdm.TokenUpdate', id, {tally = tally}, raw)

old_sweep(T)

-- user channels are not all looked at when their device says something new

local ctx = {now = now, uuid = uuid, body = body,
             scan = id == device and not look and 1 or nil}
local follow = 1 + ddm_enabled(T, id, ctx, limit, fresh)
local replica = tonumber(not ctx.half and ctx.to or '-1')

-- until token_told or ddm_channel: what follows may fail, and the device comes
-- again

if fresh and (follow == 2 or replica >= 0) then
    redis.call('HSET', e, 'fresh', 1)
elseif v[8] then
    redis.call('HDEL', e, 'fresh')
end

return {0, tally, fresh and 1 or 0, follow, replica, push_anew(T, id),
        setup_owed()}
