--@volatile
--@args most
--@returns more
-- Push was switched on: whatever waits in the queues of a partition is owed a
-- push, channel by channel.
-- most: channels at most
-- {1: call again; 0: all are through, or were before}
--@include clock
--@include era_of
--@include push_at
--@include push_lease
local T, most = KEYS[1], tonumber(most)
local meta = T .. ':meta'

-- ms behind a push that APNs took
local patience = 120000
local v = redis.call('HMGET', meta, 'push', 'walk')

if v[1] then
    return {0}
end

local ids = redis.call('ZRANGEBYLEX', T .. ':ids', v[2] and '(' .. v[2] or '-',
                       '+', 'LIMIT', 0, most)

for _, id in ipairs(ids) do
    local channel = push_read(T, id)

    if channel.q and push_bar(T, channel) == 0
        and not redis.call('ZSCORE', T .. ':push', id)
    then
        -- not at once again, if push was off for a moment only

        push_read_last(T, id)

        local now, taken = push_now(), tonumber(channel.taken or '0')

        if string.match(channel.push or '', ' 200$') then
            push_set(T, id, math.max(now, math.min(taken, now) + patience)
                            + 0.5)
        else
            push_set(T, id, now)
        end
    end
end

if #ids == most then
    redis.call('HSET', meta, 'walk', ids[#ids])
    return {1}
end

redis.call('HSET', meta, 'push', push_now())
redis.call('HDEL', meta, 'walk')

return {0}
