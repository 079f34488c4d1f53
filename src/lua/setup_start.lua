--@owes
--@args who address limit id names seconds nsets done body release hold nsteps
--@args items...
--@returns code owed sets
-- Begins what is owed to a channel since its first TokenUpdate, or lets it out
-- by a command that is made anew; a second call changes nothing.
-- names: of setups, JSON; seconds: after which it is released anyway;
-- done, body, release: UUID (key form), body and RequestType of the command
-- that lets it out of Setup Assistant, or "": it is not for us to say; hold: 1:
-- not before commands that hold it are answered; items: nsets sets (key form),
-- then of each of nsteps commands UUID (key form), RequestType, body, 1: it
-- holds
-- {1, 1: a push is due, sets that it was not given before}; {0}: nothing is
-- owed
--@include event
--@include clock
--@include queue
--@include era_of
--@include setup
local T = KEYS[1]
local e, w = T .. ':e:' .. id, T .. ':w:' .. id
local v = redis.call('HMGET', e, 'type', 'enabled', 'parent', 'era',
                     'awaiting')
local now = clock()
local s = redis.call('HMGET', w, 'state', 'told')
local awaiting, lost = v[5] == '1', s[1] == 'lost'

if s[1] ~= 'owed' and not lost then
    return {0, 0, 0}
end

if v[2] ~= '1' or era_before(T, v[3], v[4]) ~= 0 then
    setup.drop(T, id)
    return {0, 0, 0}
end

if lost and not awaiting then
    setup.out(T, id)
    return {0, 0, 0}
end

local at, given = items_at + tonumber(nsets), 0

-- sets are given as an administrator gives them, as many as fit

local some = redis.call('HKEYS', T .. ':d:' .. id)
local room = 100

for _, field in ipairs(some) do
    if string.sub(field, 1, 2) == 's:' then
        room = room - 1
    end
end

for i = items_at, at - 1 do
    if room > 0
        and redis.call('HSET', T .. ':d:' .. id, 's:' .. ARGV[i], '1') == 1
    then
        room = room - 1
        given = given + 1
    end
end

local uuids, holds = {}, 0

local function command(uuid, kind, text)
    local key = T .. ':c:' .. uuid

    redis.call('HSET', key, 'body', text, 'type', kind, 'time', now)
    redis.call('HINCRBY', key, 'refs', 1)
end

for i = 1, tonumber(nsteps) do
    local uuid, kind = ARGV[at], ARGV[at + 1]

    command(uuid, kind, ARGV[at + 2])
    uuids[i] = uuid

    if awaiting and ARGV[at + 3] == '1' then
        holds = holds + 1
        redis.call('HSET', w, 'u:' .. uuid, 1)
    end

    if awaiting and kind == 'AccountConfiguration' then
        redis.call('HSET', w, 'only:' .. uuid, 1)
    end

    at = at + 4
end

if names ~= '[]' then
    event(T, limit, 'mdm.Setup', id,
          {setups = cjson.decode(names), commands = #uuids})
end

local ours = awaiting and done ~= ''
local waits = ours and hold == '1' and holds > 0

if ours then
    command(done, release, body)

    if not waits then
        uuids[#uuids + 1] = done
        redis.call('HINCRBY', T .. ':c:' .. done, 'refs', 1)
        redis.call('HSET', w, 'last', done, 'state', 'released', 'told', 1)

        if not s[2] then
            event(T, limit, 'mdm.Released', id, {why = 'queued'})
        end
    else
        redis.call('HSET', w, 'done', done, 'left', holds, 'state', 'running')
    end
end

if awaiting and not ours then
    event(T, limit, 'mdm.Waiting', id, {})
end

if #uuids > 0 then
    if awaiting then
        setup.front(T, id, uuids)
    else
        for _, uuid in ipairs(uuids) do
            queue_add(T, id, uuid)
        end

        push_owe(T, id)
    end
end

-- until ddm_channel, which whoever sent this script calls, or later on a job

if not ours then
    setup.rest(T, id, given > 0)
else
    if given > 0 then
        redis.call('HSET', w, 'follow', 1)
    end

    setup.look(T, id, now + tonumber(seconds))
end

return {1, #uuids > 0 and 1 or 0, given}
