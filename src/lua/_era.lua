-- Users belong to an era of their device.  Each Authenticate of the device
-- begins an era, named by its "gen", and each CheckOut another one, "gen.1" and
-- so on.  A user whose era is not that of the device counts as cleared, and is
-- cleared when a script next writes to it.  Include clock, queue and status
-- before.
--@include score
--@include era_of

-- how long a manifest that no channel has is kept: a device may be reading it
local ddm_old = 86400

local function ddm_drop(T, token, n)
    local key = T .. ':dm:' .. token

    if redis.call('HINCRBY', key, 'refs', -(n or 1)) <= 0 then
        redis.call('EXPIRE', key, ddm_old)
    end
end

-- the newest tombstone of a channel, or "before": for enqueue, tombstones up to
-- this one do not mean that a command is done
local function era_fence(T, id, before)
    local newest = clock_newest(T .. ':done:' .. id)

    if tonumber(newest) <= tonumber(before or '0') then
        newest = before
    end

    if newest then
        redis.call('HSET', T .. ':e:' .. id, 'fence', newest)
    end
end

-- clears a user that belongs to a former era, and lets it belong to the present
-- one
local function era_enter(T, id)
    local e = T .. ':e:' .. id
    local v = redis.call('HMGET', e, 'parent', 'era', 'q', 'dt', 'fence')
    local before = era_before(T, v[1], v[2])

    if before == 0 then
        return
    end

    old_room = old_room - 10

    if before == 2 then
        if v[3] then
            queue_clear(T, id)
        end

        push_drop(T, id)
        redis.call('HDEL', e, 'token', 'magic', 'topic', 'pf', 'dead',
                   'taken', 'push')
        redis.call('SREM', T .. ':pd', id)
        redis.call('HSET', e, 'tally', 0)
        era_fence(T, id, v[5])
    end

    if v[4] then
        ddm_drop(T, v[4])
    end

    redis.call('HDEL', e, 'dt', 'db', 'dm', 'dc', 'dx', 'dk', 'mtoken',
               'awaiting', 'not_on_console')
    redis.call('HSET', e, 'enabled', 0, 'era', era(T, v[1]))
    status_forget(T, id)
end

-- A new era of a device has begun: clears its users, some of them now, and
-- returns how many there are.
local function era_begin(T, device, name)
    local users = redis.call('SMEMBERS', T .. ':users:' .. device)
    local args

    redis.call('HSET', T .. ':e:' .. device, 'era', name)
    eras[device] = name

    for i, user in ipairs(users) do

        if old_room > 0 then
            era_enter(T, user)

        else
            args = args or {old_number(T)}

            if #args > 1 then
                args[#args + 1] = args[1]
            end

            args[#args + 1] = 'u:' .. user
        end

        if args and (#args >= 2000 or i == #users) then
            redis.call('ZADD', T .. ':old', unpack(args))
            args = nil
        end
    end

    return #users
end

-- deletes some of what is not needed any more, the oldest first
local function old_sweep(T)
    while old_room > 0 do
        local member = redis.call('ZRANGE', T .. ':old', 0, 0)[1]

        if not member then
            return
        end

        local kind, rest = string.match(member, '^(.):(.*)$')
        local n, id = string.match(rest, '^(%d+):?(.*)$')
        local key = T .. ':old:' .. (n or '')
        local left = false

        old_room = old_room - 1

        if kind == 'u' then
            era_enter(T, rest)

        elseif kind == 's' then
            status_old(T, key, id)

        else
            local most = math.max(1, math.min(old_room, 100))
            local uuids = redis.call('LPOP', key, most) or {}

            for _, uuid in ipairs(uuids) do
                command_release(T, uuid, 1)
            end

            old_room = old_room - #uuids
            left = #uuids == most
        end

        if not left then
            redis.call('ZREM', T .. ':old', member)
        end
    end
end
