--@args who address limit id device cert status uuid result z ttl kept nonce raw
--@args budget other_budget console notify_uuid notify_body facts...
--@returns code uuid type body|name token|serial time|person client|keys
--@returns unfinished answered age
-- Connect, with the answer to a command.
-- uuid: "": missing; z: 1: the result is compressed; ttl: of the result; kept:
-- results kept; budget, other_budget: bytes of results kept, and of those of
-- commands that were not queued (0: no limit); console: NotOnConsole (0 or 1);
-- notify_uuid, notify_body: of a command that tells of declarations ("": there
-- are no facts); facts: RequestType, field, value, …
-- status "Drop" takes a command away whose body is gone, "DropPlain" one that
-- is not encrypted.
-- a reply of deliver(), behind it, where what is not there before it is "",
-- unfinished: 1: ddm_facts has to go on with what the device has said of
-- itself; answered: RequestType of the command that was answered, and age:
-- seconds since it was queued, "": it waits still; or {code of auth()}
--@include event
--@include auth
--@include queue
--@include status
--@include era
--@include results
--@include deliver
--@include setup
--@include renewal
local T = KEYS[1]
local ttl, kept = tonumber(ttl), tonumber(kept)
local e, nn, done = T .. ':e:' .. id, T .. ':nn:' .. id, T .. ':done:' .. id
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

local function read()
    return redis.call('HMGET', e, 'type', 'enabled', 'once', 'dc', 'fence',
                      'era', 'not_on_console', 'awaiting')
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

-- is the user at the screen?  Only a Mac says so

if v[7] ~= (console == '1' and '1' or false) then

    if console == '1' then
        redis.call('HSET', e, 'not_on_console', 1)
    else
        redis.call('HDEL', e, 'not_on_console')
    end
end

local facts = {}

-- Is it an answer, and no repetition of one?  Then it leaves the queue.  A
-- command that was answered before this enrolment may be queued again.

local known, answered = false, false

-- what metrics are told of it
local told, age

local function fresh()
    if uuid == '' then
        return v[3] ~= nonce
    end

    answered = redis.call('ZSCORE', done, uuid)

    if answered and tonumber(answered) > tonumber(v[5] or '0') then
        return false
    end

    known = queue_remove(T, id, uuid)

    return known or not answered
end

if status == 'NotNow' then

    if v[3] ~= nonce and queue_has(T, id, uuid) then
        local old = redis.call('HGET', nn, uuid) or (now .. ':0')
        local first, tally = string.match(old, '^(%d+):(%d+)$')

        tally = tonumber(tally) + 1

        told, age = redis.call('HGET', T .. ':c:' .. uuid, 'type') or '', ''
        redis.call('HSET', nn, uuid, first .. ':' .. tally)
        redis.call('HSET', e, 'once', nonce)

        -- it will be sent again, with the token of that time: one is enough

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
        setup.lost(T, id, uuid)
    end

elseif fresh() then
    local kind = ''

    -- a result without a CommandUUID is never taken for a repetition

    if uuid == '' then
        redis.call('HSET', e, 'once', nonce)
    end

    if known then
        local c = redis.call('HMGET', T .. ':c:' .. uuid, 'type', 'ref', 'cert',
                             'time')

        kind = c[1] or ''
        told, age = kind, math.max(0, now - tonumber(c[4] or now))
        command_release(T, uuid, 1)

        if c[2] and status ~= 'Acknowledged' then
            renewal_soon(T, id, uuid, c[3], now)
        end

        if v[4] == uuid then
            redis.call('HDEL', e, 'dc')
        end
    end

    local key = T .. ':r:' .. id .. ':' .. uuid

    if uuid == '' or answered then
        results_forget(T, id, uuid)
    end

    redis.call('UNLINK', key)
    redis.call('HSET', key, 'status', status, 'type', kind, 'time', now,
               'body', result, 'z', z, 'known', known and 1 or 0)
    redis.call('EXPIRE', key, ttl)

    -- the oldest must be dropped first, even if TIME ran backwards

    redis.call('ZADD', done, clock_score(done, v[5]), uuid)
    redis.call('EXPIRE', done, ttl)

    if redis.call('ZCARD', done) > kept then
        local old = redis.call('ZPOPMIN', done)
        redis.call('UNLINK', T .. ':r:' .. id .. ':' .. old[1])
    end

    -- a device that erases itself answers nothing more, and wakes for nobody

    local cancelled

    if status == 'Acknowledged' and known and kind == 'EraseDevice'
        and id == device
    then
        redis.call('HSET', e, 'erased', now)
        cancelled = queue_clear(T, id)
        push_drop(T, id)
        setup.drop(T, id)
    end

    event(T, limit, 'mdm.Connect', id,
          {status = status, command_uuid = uuid, request_type = kind,
           known = known, cancelled = cancelled}, raw)

    if console == '1' then
        redis.call('HSET', key, 'not_on_console', 1)
    end

    -- facts are believed only in the answer to that command

    local last = status == 'Acknowledged' and known and #ARGV - 2 or 0

    for i = facts_at, last, 3 do
        if ARGV[i] == kind then
            facts[#facts + 1] = ARGV[i + 1]
            facts[#facts + 1] = ARGV[i + 2]
        end
    end

    -- one that knows no declarations would answer so each time

    if kind == 'DeclarativeManagement' then
        if status == 'Acknowledged' then
            redis.call('HDEL', e, 'dx')
        elseif status ~= 'unreadable' then
            redis.call('HSET', e, 'dx', now)
        end
    end

    if known
        and kind == (id == device and 'DeviceConfigured' or 'UserConfigured')
    then
        if status == 'Acknowledged' then
            redis.call('HDEL', e, 'awaiting')
        end

        setup.out(T, id)

    elseif known and v[8] then
        setup.answered(T, id, uuid, limit)
    end

    results_count(T, id, uuid, known, #result,
                  tonumber(known and budget or other_budget), kept, ttl, limit)
end

if #facts > 0 then
--@include ddm
--@include facts
    local changed, upgraded = facts_set(T, device, facts)

    if changed then
        facts_tell(T, device,
                   {now = now, uuid = notify_uuid, body = notify_body}, limit,
                   upgraded)
    end
end

-- also for an answer that is repeated

local function answer(reply)
    local unfinished = #ARGV >= facts_at
        and redis.call('HEXISTS', T .. ':e:' .. device, 'df') == 1

    if unfinished or told then
        for i = #reply + 1, 7 do
            reply[i] = ''
        end

        reply[8] = unfinished and 1 or 0
    end

    if told then
        reply[9], reply[10] = told, age
    end

    return reply
end

if v[2] ~= '1' then
    return answer({0})
end

local head = redis.call('HGET', e, 'q')

if status ~= 'NotNow' or not head then
    return answer(deliver(T, id, head))
end

-- after NotNow every refused command is skipped until another status comes

if not redis.call('HGET', nn, head) then
    return answer(deliver(T, id, head))
end

local list, from = T .. ':q:' .. id, 0

while true do
    local uuids = redis.call('LRANGE', list, from, from + 99)

    if #uuids == 0 then
        return answer({0})
    end

    local refused = redis.call('HMGET', nn, unpack(uuids))

    for i = 1, #uuids do
        if not refused[i] then
            return answer(deliver(T, id, uuids[i]))
        end
    end

    from = from + 100
end
