-- What follows a device's first TokenUpdate.  T:w:<id> is a hash: "state", owed
-- until its commands are queued, then running, and released once it was let out
-- of Setup Assistant; "release": see mdm_release; "done", the UUID of the
-- command that does so, as long as it was not queued; "last", the same once it
-- was: either is a reference to that command, besides that of a queue; "left",
-- how many commands that hold it are not answered, and "u:<uuid>" each of them;
-- "only:<uuid>": those that are of no use behind it.  T:wait is a zset of such
-- channels, by when somebody must look (Unix seconds).  Include event, clock
-- and queue before.
local setup = {}

-- seconds until somebody looks again whether it has come out
local setup_again = 900

-- takes out of the queue what is of no use once it has come out
local function setup_useless(T, id)
    local dropped = {}

    for _, field in ipairs(redis.call('HKEYS', T .. ':w:' .. id)) do
        local uuid = string.match(field, '^only:(.*)$')

        if uuid and queue_remove(T, id, uuid) then
            command_release(T, uuid, 1)
            dropped[#dropped + 1] = uuid
        end
    end

    return dropped
end

function setup.drop(T, id)
    local w = T .. ':w:' .. id
    local v = redis.call('HMGET', w, 'state', 'done', 'last')

    if v[1] then
        local uuid = v[2] or v[3]

        setup_useless(T, id)

        if uuid then
            command_release(T, uuid, 1)
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

-- It is let out, and again if it did not come: its queue may have been emptied.
function setup.release(T, id, limit, why)
    local w = T .. ':w:' .. id
    local v = redis.call('HMGET', w, 'done', 'last', 'state')
    local uuid = v[1] or v[2]
    local dropped = setup_useless(T, id)

    if redis.call('HGET', T .. ':e:' .. id, 'q') ~= uuid then

        -- it may wait behind others

        if v[1] or not queue_remove(T, id, uuid) then
            redis.call('HINCRBY', T .. ':c:' .. uuid, 'refs', 1)
        end

        setup.front(T, id, {uuid})
    end

    redis.call('HSET', w, 'last', uuid, 'state', 'released')
    redis.call('HDEL', w, 'done')
    redis.call('ZADD', T .. ':wait', clock() + setup_again, id)

    if v[3] ~= 'released' then
        event(T, limit, 'mdm.Released', id,
              {why = why, dropped = #dropped > 0 and dropped or nil})
    end
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
