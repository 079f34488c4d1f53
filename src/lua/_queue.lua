-- The queue of a channel: its head is field q of the enrollment hash, the
-- rest a list; q is absent only if the list is empty.
--@include old

-- drops n references to a command, and deletes it with the last one
local function command_release(T, uuid, n)
    local key = T .. ':c:' .. uuid

    if redis.call('HINCRBY', key, 'refs', -n) <= 0 then
        redis.call('UNLINK', key)
    end
end

local function queue_has(T, id, uuid)
    if redis.call('HGET', T .. ':e:' .. id, 'q') == uuid then
        return true
    end

    return redis.call('LPOS', T .. ':q:' .. id, uuid) and true or false
end

local function queue_length(T, id)
    return redis.call('HEXISTS', T .. ':e:' .. id, 'q')
           + redis.call('LLEN', T .. ':q:' .. id)
end

local function queue_push(T, id, uuid)
    if redis.call('HSETNX', T .. ':e:' .. id, 'q', uuid) == 0 then
        redis.call('RPUSH', T .. ':q:' .. id, uuid)
    end
end

-- removes a command from anywhere in the queue; the caller drops the reference
local function queue_remove(T, id, uuid)
    local e, list = T .. ':e:' .. id, T .. ':q:' .. id

    if redis.call('HGET', e, 'q') == uuid then
        local head = redis.call('LPOP', list)

        if head then
            redis.call('HSET', e, 'q', head)
        else
            redis.call('HDEL', e, 'q')
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
    local head = redis.call('HGET', e, 'q')

    if not head then
        return 0
    end

    local n = redis.call('LLEN', list)

    redis.call('HDEL', e, 'q')
    redis.call('UNLINK', T .. ':nn:' .. id)
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
