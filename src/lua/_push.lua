-- That a channel is owed a push, see push_at.  Include event and clock before.
--@include push_at

local push_noted

-- a command was queued
local function push_owe(T, id)
    local window = tonumber(push_window)

    if not window then

        -- with mdm_push off, a partition has to be walked when it is on again

        if push_window == '' and not push_noted
            and redis.call('HDEL', T .. ':meta', 'push') == 1
        then
            redis.call('UNLINK', T .. ':push')
        end

        push_noted = true

        return
    end

    local now = push_now()
    local score = tonumber(redis.call('ZSCORE', T .. ':push', id) or 'inf')

    if score == math.huge then
        push_set(T, id, now)
        return
    end

    local taken = redis.call('HGET', T .. ':e:' .. id, 'taken')
    local due = math.max(now, math.min(tonumber(taken or '0'), now) + window)

    -- the push that is under way may come too early for this command, so who
    -- sends it is not to put it off

    local leased = score % 0.5 == 0.25

    if due < score or leased then
        push_set(T, id, due)
    end
end

-- a token is new: whatever was sent before, the device does not know of it;
-- returns 1 if a push is due, else 0
local function push_anew(T, id)
    local e = T .. ':e:' .. id

    redis.call('HDEL', e, 'dead', 'taken')

    if tonumber(push_window) and redis.call('HEXISTS', e, 'q') == 1 then
        push_set(T, id, push_now())

        return 1
    end

    return 0
end

-- nothing waits any more, but perhaps a push that was asked for as such
local function push_drop(T, id, asked)
    if not asked then
        redis.call('ZREM', T .. ':push', id)
    end
end
