-- Connect, with the answer to a command.
-- ARGV: id, device, cert, status, uuid ("": missing), result, z (1: it is
--       compressed), result ttl, results kept, once, event limit, raw
-- status "Drop" takes a command away whose body is gone, "DropPlain" one that
-- is not encrypted.
-- a reply of deliver(), or {code of auth()}
--@include event
--@include queue
--@include auth
--@include status
--@include era
--@include deliver
local T, id, device, cert = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local status, uuid, result, z = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local ttl, kept, once = tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10]
local limit, raw = ARGV[11], ARGV[12]
local e, nn, done = T .. ':e:' .. id, T .. ':nn:' .. id, T .. ':done:' .. id
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

local function read()
    return redis.call('HMGET', e, 'type', 'enabled', 'once', 'dc', 'fence',
                      'era')
end

local v = read()

if not v[1] then
    return {0}
end

if id ~= device and era_before(T, device, v[6]) ~= 0 then
    era_enter(T, id)
    v = read()
end

local now = clock()

seen(T, id, now)

-- Is it an answer, and no repetition of one?  Then it leaves the queue.  A
-- command that was answered before this enrolment may be queued again.

local known = false

local function fresh()
    if uuid == '' then
        return v[3] ~= once
    end

    local answered = redis.call('ZSCORE', done, uuid)

    if answered and tonumber(answered) > tonumber(v[5] or '0') then
        return false
    end

    known = queue_remove(T, id, uuid)

    return known or not answered
end

if status == 'NotNow' then

    if v[3] ~= once and queue_has(T, id, uuid) then
        local old = redis.call('HGET', nn, uuid) or (now .. ':0')
        local first, tally = string.match(old, '^(%d+):(%d+)$')

        tally = tonumber(tally) + 1

        redis.call('HSET', nn, uuid, first .. ':' .. tally)
        redis.call('HSET', e, 'once', once)

        -- it will be sent again, with the token of then: one is enough

        if not v[4] and redis.call('HEXISTS', T .. ':c:' .. uuid, 'ddm') == 1
        then
            redis.call('HSET', e, 'dc', uuid)
        end

        event(T, limit, 'mdm.Connect', id,
              {status = status, command_uuid = uuid, tally = tally}, raw)
    end

elseif status == 'Drop' or status == 'DropPlain' then

    local body = redis.call('HGET', T .. ':c:' .. uuid, 'body')
    local plain = status == 'DropPlain' or nil
    local lost = not body

    if plain then
        lost = body and string.sub(body, 1, 4) ~= '\238MK\1'
    end

    if lost and queue_remove(T, id, uuid) then
        command_release(T, uuid, 1)
        event(T, limit, 'mdm.CommandLost', id,
              {command_uuid = uuid, plain = plain})
    end

elseif fresh() then
    local kind = ''

    -- results that name no command are not each other's repetition

    if uuid == '' then
        redis.call('HSET', e, 'once', once)
    end

    if known then
        kind = redis.call('HGET', T .. ':c:' .. uuid, 'type') or ''
        command_release(T, uuid, 1)

        if v[4] == uuid then
            redis.call('HDEL', e, 'dc')
        end
    end

    local key = T .. ':r:' .. id .. ':' .. uuid

    redis.call('UNLINK', key)
    redis.call('HSET', key, 'status', status, 'type', kind, 'time', now,
               'body', result, 'z', z, 'known', known and 1 or 0)
    redis.call('EXPIRE', key, ttl)

    -- the oldest must go first, whatever TIME says

    redis.call('ZADD', done, clock_score(done, v[5]), uuid)
    redis.call('EXPIRE', done, ttl)

    if redis.call('ZCARD', done) > kept then
        local old = redis.call('ZPOPMIN', done)
        redis.call('UNLINK', T .. ':r:' .. id .. ':' .. old[1])
    end

    event(T, limit, 'mdm.Connect', id,
          {status = status, command_uuid = uuid, request_type = kind,
           known = known}, raw)
end

if v[2] ~= '1' then
    return {0}
end

local head = redis.call('HGET', e, 'q')

if status ~= 'NotNow' or not head then
    return deliver(T, id, head)
end

-- after NotNow every refused command is skipped until another status comes

if not redis.call('HGET', nn, head) then
    return deliver(T, id, head)
end

local list, from = T .. ':q:' .. id, 0

while true do
    local uuids = redis.call('LRANGE', list, from, from + 99)

    if #uuids == 0 then
        return {0}
    end

    local refused = redis.call('HMGET', nn, unpack(uuids))

    for i = 1, #uuids do
        if not refused[i] then
            return deliver(T, id, uuids[i])
        end
    end

    from = from + 100
end
