--@owes
--@refuses
--@args who address limit uuid kind body room names budget lease ids...
--@returns code|queued already|body|who handled|behind pushes failed...
--@row pushes i bar topic token magic stamp
--@row failed i code
-- Queues one command to many channels.
-- kind: RequestType; room: queue limit; names: those of the body, see same();
-- budget: ids after which to stop, or fewer where queues are long; lease: ms:
-- pushes that are due now are the caller's, "": they are not
-- {queued, there already, ids handled, {i, bar, topic, token, magic, stamp, …},
-- i, code, i, code, …}: bar: 0, id i (from 0) is to be pushed to; 1 to 4: it
-- cannot be, see push_bar() (3: topic is what "dead" says); 5: a push of just
-- now is for this command, too.  Code: id i has got nothing, 1: not enrolled,
-- 2: the queue is full, 3: it is queued there already, or was answered since
-- the enrolment.  {-1}: another command has the UUID; {-2, body}: a plain one
-- has it, see same(); {-100, who, n}: see outbox_full()
--@include event
--@include clock
--@include queue
--@include push_many
--@include status
--@include era
--@include same
--@include push_lease
--@include outbox_full
local T = KEYS[1]
local room, left = tonumber(room), tonumber(budget)
local command = T .. ':c:' .. uuid
local old, ref = unpack(redis.call('HMGET', command, 'body', 'ref'))

-- a renewal, which may have no body yet

if ref then
    return {-1}
end

local known = not old or same(old, body, names)

if known == nil then
    return {-2, old}
end

if not known then
    return {-1}
end

local full = outbox_full(T, limit)

if full then
    return full
end

local reply, todo, twice = {0, 0, 0, {}}, {}, {}
local place = {}

-- entries of a queue that are looked through in the time of an id
local entries = 256

for i = ids_at, #ARGV do
    if left <= 0 then
        break
    end

    local id = ARGV[i]
    local v = redis.call('HMGET', T .. ':e:' .. id, 'type', 'q', 'parent',
                         'era', 'fence')
    local anew = v[1] and era_before(T, v[3], v[4]) == 2
    local length, code = 0, nil

    -- a new enrolment has no queue yet, and commands that the former one has
    -- answered may be sent again

    if anew then
        v[2] = nil

    elseif v[2] then
        length = redis.call('LLEN', T .. ':q:' .. id)
    end

    reply[3] = reply[3] + 1
    left = left - (anew and 4 or 1) - length / entries

    if not v[1] then
        code = 1

    elseif twice[id] or v[2] == uuid
        or (length > 0 and redis.call('LPOS', T .. ':q:' .. id, uuid))
        or (not anew and tonumber(redis.call('ZSCORE', T .. ':done:' .. id,
                                             uuid) or '0')
                         > tonumber(v[5] or '0'))
    then
        code = 3
        reply[2] = reply[2] + 1

    elseif v[2] and length + 1 >= room then
        code = 2
    end

    if not code then
        todo[#todo + 1] = id
        place[#todo] = i - ids_at
        twice[id] = anew and 2 or 1

    else
        reply[#reply + 1] = i - ids_at
        reply[#reply + 1] = code
    end
end

if #todo == 0 then
    return reply
end

if not old then
    redis.call('HSET', command, 'body', body, 'type', kind,
               'time', clock())

elseif old ~= body then
    redis.call('HSET', command, 'body', body)
end

redis.call('HINCRBY', command, 'refs', #todo)

for _, id in ipairs(todo) do
    if twice[id] == 2 then
        era_enter(T, id)
    end

    queue_add(T, id, uuid)
end

push_owe_all(T, todo)

-- whoever has queued the command sends what is due at once

if tonumber(push_window) and lease ~= '' then
    for k, id in ipairs(todo) do
        local v = push_read(T, id)

        push_offer(T, reply[4], place[k], id, v, push_bar(T, v), lease)
    end
end

-- deletes as much as it has set aside: what is left does not grow

old_room = math.max(old_room, #todo)
old_sweep(T)

local failed = (#reply - 4) / 2 - reply[2]

event(T, limit, 'api.Enqueue', table.concat(todo, ','),
      {by = who, address = address, command_uuid = uuid,
       request_type = kind, failed = failed > 0 and failed or nil})

reply[1] = #todo

return reply
