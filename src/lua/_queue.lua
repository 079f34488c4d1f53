-- The queue of a channel: its head is field q of the enrollment hash, the
-- rest a list; q is absent only if the list is empty.  Include event and clock
-- before.
--@include old
--@include queue_of
--@include push

-- drops n references to a command, and deletes it with the last one
local function command_release(T, uuid, n)
    local key = T .. ':c:' .. uuid

    if redis.call('HINCRBY', key, 'refs', -n) <= 0 then
        redis.call('UNLINK', key)
    end
end

-- Queues a command; that a push is owed the caller says.
local function queue_add(T, id, uuid)
    if redis.call('HSETNX', T .. ':e:' .. id, 'q', uuid) == 0 then
        redis.call('RPUSH', T .. ':q:' .. id, uuid)
    end
end

-- Queues a command, which a field of the enrollment gets, too.  head: of its
-- queue, or "", as the caller has read it just now.
local function queue_push(T, id, uuid, head, field)
    local e = T .. ':e:' .. id

    if head == '' then
        redis.call('HSET', e, 'q', uuid, field, uuid)
    else
        redis.call('RPUSH', T .. ':q:' .. id, uuid)
        redis.call('HSET', e, field, uuid)
    end

    push_owe(T, id)
end

-- removes a command from anywhere in the queue; the caller drops the reference
local function queue_remove(T, id, uuid)
    local e, list = T .. ':e:' .. id, T .. ':q:' .. id
    local v = redis.call('HMGET', e, 'q', 'pf')

    if v[1] == uuid then
        local head = redis.call('LPOP', list)

        if head then
            redis.call('HSET', e, 'q', head)
        else
            redis.call('HDEL', e, 'q')
            push_drop(T, id, v[2])
        end

    elseif redis.call('LREM', list, 1, uuid) == 0 then
        return false
    end

    redis.call('HDEL', T .. ':nn:' .. id, uuid)

    return true
end

-- Empties the queue.  A long one is set aside, and its references are dropped
-- bit by bit; until then its commands keep their bodies.
local function queue_clear(T, id)
    local e, list = T .. ':e:' .. id, T .. ':q:' .. id
    local v = redis.call('HMGET', e, 'q', 'pf')
    local head = v[1]

    if not head then
        return 0
    end

    local n = redis.call('LLEN', list)

    redis.call('HDEL', e, 'q')
    redis.call('UNLINK', T .. ':nn:' .. id)
    push_drop(T, id, v[2])
    command_release(T, head, 1)

    if n > math.max(old_room, 0) then
        old_move(T, 'q', list, '')

    elseif n > 0 then

        for _, uuid in ipairs(redis.call('LRANGE', list, 0, -1)) do
            command_release(T, uuid, 1)
        end

        redis.call('UNLINK', list)
        old_room = old_room - n
    end

    return n + 1
end
