-- What follows a device's first TokenUpdate.  T:w:<id> is a hash: "state", owed
-- until its commands are queued, then running, and released once it was let out
-- of Setup Assistant; "release": see mdm_release; "done", the UUID of the
-- command that does so, as long as it is not queued; "last", the same once it
-- is; "left", how many commands that hold it are not answered, and "u:<uuid>"
-- each of them; "only:<uuid>": those that are of no use behind it.  T:wait is a
-- zset of such channels, by when somebody must look (Unix seconds).  Include
-- event, clock and queue before.
local setup = {}

function setup.drop(T, id)
    local w = T .. ':w:' .. id
    local v = redis.call('HMGET', w, 'state', 'done')

    if v[1] then
        if v[2] then
            command_release(T, v[2], 1)
        end

        redis.call('UNLINK', w)
        redis.call('ZREM', T .. ':wait', id)
    end
end

-- before all that waits: a device may leave one of those unanswered
function setup.front(T, id, uuids)
    local e, list = T .. ':e:' .. id, T .. ':q:' .. id
    local head = redis.call('HGET', e, 'q')

    if head then
        redis.call('LPUSH', list, head)
    end

    for i = #uuids, 2, -1 do
        redis.call('LPUSH', list, uuids[i])
    end

    redis.call('HSET', e, 'q', uuids[1])
    push_owe(T, id)
end

function setup.release(T, id, limit, why)
    local w = T .. ':w:' .. id
    local v = redis.call('HMGET', w, 'done', 'last')
    local fields = redis.call('HKEYS', w)
    local dropped = {}

    for _, field in ipairs(fields) do
        local uuid = string.match(field, '^only:(.*)$')

        if uuid and queue_remove(T, id, uuid) then
            command_release(T, uuid, 1)
            dropped[#dropped + 1] = uuid
        end
    end

    if v[1] then
        setup.front(T, id, {v[1]})
        redis.call('HSET', w, 'last', v[1], 'state', 'released')
        redis.call('HDEL', w, 'done')

    -- it waits behind others

    elseif v[2] and queue_remove(T, id, v[2]) then
        setup.front(T, id, {v[2]})
    end

    redis.call('ZREM', T .. ':wait', id)
    event(T, limit, 'mdm.Released', id,
          {why = why, dropped = #dropped > 0 and dropped or nil})
end

-- a command has its final answer
function setup.answered(T, id, uuid, limit)
    local w = T .. ':w:' .. id

    redis.call('HDEL', w, 'only:' .. uuid)

    if redis.call('HDEL', w, 'u:' .. uuid) == 1
        and redis.call('HINCRBY', w, 'left', -1) <= 0
        and redis.call('HEXISTS', w, 'done') == 1
    then
        setup.release(T, id, limit, 'answered')
    end
end
