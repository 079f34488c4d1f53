-- Reading the queue of a channel (see _queue.lua).

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
