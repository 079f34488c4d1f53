-- What follows a device's first TokenUpdate.  T:w:<id> is a hash: "state", owed
-- until its commands are queued, then running, and released once it was let out
-- of Setup Assistant; lost: the command that does so is to be made anew; given:
-- nothing but "follow" is left; "release": see mdm_release; "done", the UUID of
-- the command that lets it out, as long as it was not queued; "last", the same
-- once it was: either is a reference to that command, besides that of a queue;
-- "left", how many commands that hold it are not answered, and "u:<uuid>" each
-- of them; "only:<uuid>": those that are of no use behind it; "until": when
-- somebody must look (Unix seconds); "follow": 1: it was given sets, of which
-- its declarations are not made yet; "told": 1: of the way out.  T:wait is a
-- zset of such channels, by when somebody must look.  Include event, clock and
-- queue before.
local setup = {}

-- seconds until somebody looks again whether it has come out, and until he does
-- whether its declarations were made
local setup_again, setup_soon = 900, 10

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

function setup.look(T, id, at)
    local w = T .. ':w:' .. id

    redis.call('HSET', w, 'until', at)

    if redis.call('HEXISTS', w, 'follow') == 1 then
        at = math.min(at, clock() + setup_soon)
    end

    redis.call('ZADD', T .. ':wait', at, id)
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

-- nothing is left to be done but that its declarations are made
function setup.rest(T, id, follow)
    local w = T .. ':w:' .. id

    redis.call('UNLINK', w)

    if follow then
        redis.call('HSET', w, 'state', 'given', 'follow', 1)
        redis.call('ZADD', T .. ':wait', clock() + setup_soon, id)
    else
        redis.call('ZREM', T .. ':wait', id)
    end
end

-- it has come out
function setup.out(T, id)
    local follow = redis.call('HEXISTS', T .. ':w:' .. id, 'follow') == 1

    setup.drop(T, id)
    setup.rest(T, id, follow)
end

-- they are made
function setup.followed(T, id)
    local w = T .. ':w:' .. id

    if redis.call('HDEL', w, 'follow') == 0 then
        return
    end

    local v = redis.call('HMGET', w, 'state', 'until')

    if v[1] == 'given' then
        redis.call('UNLINK', w)
        redis.call('ZREM', T .. ':wait', id)
    elseif v[2] then
        redis.call('ZADD', T .. ':wait', v[2], id)
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

-- The way out has no body any more, or none that may be sent: whoever looks
-- next makes another one, which needs keys.
local function setup_lose(T, id, uuid)
    local w = T .. ':w:' .. id

    if queue_remove(T, id, uuid) then
        command_release(T, uuid, 1)
    end

    command_release(T, uuid, 1)
    redis.call('HDEL', w, 'done', 'last', 'left')
    redis.call('HSET', w, 'state', 'lost')
    setup.look(T, id, clock())
end

-- a command was taken away since it has no such body
function setup.lost(T, id, uuid)
    local v = redis.call('HMGET', T .. ':w:' .. id, 'done', 'last')

    if v[1] == uuid or v[2] == uuid then
        setup_lose(T, id, uuid)
    end
end

-- It is let out, and again if it did not come: its queue may have been emptied.
function setup.release(T, id, limit, why)
    local w = T .. ':w:' .. id
    local v = redis.call('HMGET', w, 'done', 'last', 'told')
    local uuid = v[1] or v[2]
    local dropped = setup_useless(T, id)

    if redis.call('HEXISTS', T .. ':c:' .. uuid, 'body') == 0 then
        setup_lose(T, id, uuid)
    else
        if redis.call('HGET', T .. ':e:' .. id, 'q') ~= uuid then

            -- it may wait behind others

            if v[1] or not queue_remove(T, id, uuid) then
                redis.call('HINCRBY', T .. ':c:' .. uuid, 'refs', 1)
            end

            setup.front(T, id, {uuid})
        end

        redis.call('HSET', w, 'last', uuid, 'state', 'released')
        redis.call('HDEL', w, 'done')
        setup.look(T, id, clock() + setup_again)
    end

    if not v[3] then
        redis.call('HSET', w, 'told', 1)
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
