-- Takes all that is known of a channel away, bit by bit: what it may cost is
-- old_room, see _old.lua.  true: nothing is left; false: call again
local function forget_channel(T, id, parent)
    local done = T .. ':done:' .. id

    queue_clear(T, id)
    push_drop(T, id)
    setup.drop(T, id)
    ddm_forget(T, id)
    old_room = old_room - 10

    while true do
        local uuids = redis.call('ZRANGE', done, 0, 99)

        if #uuids == 0 then
            break
        end

        if old_room <= 0 then
            return false
        end

        local keys = {}

        for i, uuid in ipairs(uuids) do
            keys[i] = T .. ':r:' .. id .. ':' .. uuid
        end

        redis.call('UNLINK', unpack(keys))
        redis.call('ZREM', done, unpack(uuids))
        old_room = old_room - #uuids
    end

    for _, name in ipairs({'nn', 'u', 'crt', 'd', 'rk', 'ru', 'rb', 'done',
                           'users', 'ren', 'e'})
    do
        redis.call('UNLINK', T .. ':' .. name .. ':' .. id)
    end

    redis.call('ZREM', T .. ':exp', id)
    redis.call('ZREM', T .. ':ids', id)
    redis.call('SREM', T .. ':pd', id)

    if parent then
        redis.call('SREM', T .. ':users:' .. parent, id)
    end

    return true
end
