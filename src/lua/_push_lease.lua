-- Taking pushes that are due.  Include clock, push_at and era_of before.

-- what an enrollment says of pushes, by name, until the next one is read
local push_told = {}

-- of its last push, which is not always needed: each field has its price
local function push_read_last(T, id)
    local told = push_told

    told.last_seen, told.taken, told.push = unpack(
        redis.call('HMGET', T .. ':e:' .. id, 'last_seen', 'taken', 'push'))
end

local function push_read(T, id)
    local told = push_told

    told.enabled, told.parent, told.topic, told.token, told.magic, told.dead,
        told.erased, told.q, told.pf = unpack(
            redis.call('HMGET', T .. ':e:' .. id, 'enabled', 'parent', 'topic',
                       'token', 'magic', 'dead', 'erased', 'q', 'pf'))

    -- channels of users have one

    told.era = told.parent and redis.call('HGET', T .. ':e:' .. id, 'era')

    return told
end

-- 0: it can be pushed to; 1: it is disabled; 2: it has no token; 3: APNs says
-- that the token is dead; 4: the device was erased
local function push_bar(T, v)
    if v.enabled ~= '1' or era_before(T, v.parent, v.era) ~= 0 then
        return 1
    end

    if v.erased
        or v.parent and redis.call('HEXISTS', T .. ':e:' .. v.parent,
                                   'erased') == 1
    then
        return 4
    end

    if not (v.topic and v.token and v.magic) or v.token == '' then
        return 2
    end

    return v.dead and 3 or 0
end

-- the score of a lease, for "lease" ms
local function push_stamp(now, lease, sent)
    return push_score(now + lease + (sent and 0.75 or 0.25))
end

-- Who has it sends the push and stores what became of it, or else it is due
-- again after "lease" ms.  Returns the stamp: nobody has moved it meanwhile if
-- the score is still that.
local function push_lease(T, id, now, lease)
    local stamp = push_stamp(now, lease)

    redis.call('HSET', T .. ':e:' .. id, 'taken', string.format('%.0f', now))
    redis.call('ZADD', T .. ':push', stamp, id)

    return stamp
end

-- Adds to "out" what whoever asks for a push of id i is told: i; bar, 5: it is
-- owed already, or is the job's; topic (3: what "dead" says), token, magic and
-- stamp of a push that is the caller's.  lease: ms, or "": he sends none.
local function push_offer(T, out, i, id, v, bar, lease)
    local now, n = push_now(), #out
    local row = {i, bar, bar == 3 and v.dead or '', '', '', ''}

    if bar == 0 then
        local due = tonumber(redis.call('ZSCORE', T .. ':push', id) or 'inf')

        if lease == '' or due > now then
            row[2] = 5
        else
            row = {i, 0, v.topic, v.token, v.magic,
                   push_lease(T, id, now, tonumber(lease))}
        end
    end

    for k = 1, #row do
        out[n + k] = row[k]
    end
end
