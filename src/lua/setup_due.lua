--@owes
--@args who address limit grace most owed
--@returns next released ids...
-- Channels of a partition whose time is over are released; those to whom a
-- setup is owed still, or whose declarations are not made, since whoever was at
-- it has ended, or whose way out is lost, are named.
-- grace: seconds after which they are; most: so many are looked at; owed: so
-- many are named
-- {seconds until the next look, -1: nothing waits; how many were released, or
-- do not wait any more; id, …}
--@include event
--@include clock
--@include queue
--@include era_of
--@include setup
local T = KEYS[1]
local now, grace, most = clock(), tonumber(grace), tonumber(most)
local due = redis.call('ZRANGEBYSCORE', T .. ':wait', '-inf', now, 'LIMIT', 0,
                       most)
local reply = {-1, 0}

-- it is tried again, should it not be done

local function name(id)
    if #reply - 2 < tonumber(owed) then
        reply[#reply + 1] = id
        redis.call('ZADD', T .. ':wait', now + grace, id)
    end
end

for _, id in ipairs(due) do
    local v = redis.call('HMGET', T .. ':e:' .. id, 'enabled', 'parent', 'era',
                         'awaiting')
    local s = redis.call('HMGET', T .. ':w:' .. id, 'state', 'follow', 'until')
    local at = tonumber(s[3] or '0')

    if v[1] ~= '1' or era_before(T, v[2], v[3]) ~= 0 or not s[1] then
        setup.drop(T, id)
        redis.call('ZREM', T .. ':wait', id)
        reply[2] = reply[2] + 1

    elseif s[1] == 'owed' or s[1] == 'lost' then
        name(id)

    else
        if s[1] ~= 'given' and at <= now then
            if v[4] == '1' then
                setup.release(T, id, limit, 'timeout')
            else
                setup.out(T, id)
            end

            reply[2] = reply[2] + 1
        end

        if s[2] then
            name(id)
        elseif s[1] == 'given' then
            setup.rest(T, id)
        elseif at > now then
            redis.call('ZADD', T .. ':wait', at, id)
        end
    end
end

local first = redis.call('ZRANGE', T .. ':wait', 0, 0, 'WITHSCORES')

if first[2] then
    reply[1] = math.max(0, math.ceil(tonumber(first[2]) - now))
end

return reply
