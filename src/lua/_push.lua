-- That a channel is owed a push, see push_at.  Include event and clock before.
--@include push_at

-- A command was queued.  taken: when the last push was leased, if its window is
-- to be kept though no other one is owed.
local push_owe

-- a script has 200 locals at most: these are gone behind it

do
    local noted, at_once

    -- ms, at most, for which a new command does not hasten a push
    local patience = 1800000

    function push_owe(T, id, taken)
        local window = tonumber(push_window)

        if not window then

            -- with mdm_push off: it is to be walked when that is on again

            if push_window == '' and not noted
                and redis.call('HDEL', T .. ':meta', 'push', 'walk') > 0
            then
                redis.call('UNLINK', T .. ':push')
            end

            noted = true

            return
        end

        local now = push_now()

        local function behind(last)
            return math.max(now, math.min(tonumber(last or '0'), now) + window)
        end

        -- most have none

        at_once = at_once or string.format('%.2f', now)

        if redis.call('ZADD', T .. ':push', 'NX',
                      taken and string.format('%.2f', behind(taken))
                      or at_once, id) == 1
        then
            return
        end

        local score = tonumber(redis.call('ZSCORE', T .. ':push', id))
        local v = redis.call('HMGET', T .. ':e:' .. id, 'taken', 'hold')
        local due = behind(v[1])

        -- APNs has asked for patience

        due = math.max(due, math.min(tonumber(v[2] or '0'), now + patience))

        local part = score % 1

        -- the push that is under way may come too early for this command, so
        -- who sends it is not to put it off

        if due < score or part == 0.25 or part == 0.75 then
            push_set(T, id, due)

        -- one that was sent is owed now: in the order in which it was due

        elseif part == 0.5 then
            push_set(T, id, math.floor(score))
        end
    end
end

-- a token is new: whatever was sent before, the device does not know of it;
-- returns 1 if a push is due, else 0
local function push_anew(T, id)
    local e = T .. ':e:' .. id

    redis.call('HDEL', e, 'dead', 'taken', 'hold')
    redis.call('SREM', T .. ':pd', id)

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
