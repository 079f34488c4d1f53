--@readonly
--@args
--@returns owed oldest dead enrollments
-- What metrics say of a partition.
-- {channels that are owed a push; since when (Unix ms) that is so for the one
-- among the first that waits longest, 0: for none; channels whose token is
-- dead; enrollments}
local T = KEYS[1]
local key = T .. ':push'
local owed, oldest = redis.call('ZCARD', key), 0

-- entries that are looked at: those that are due first
local most = 8

if owed > 0 then
    local first = redis.call('ZRANGE', key, 0, most - 1, 'WITHSCORES')

    for i = 1, #first, 2 do
        local id, score = first[i], tonumber(first[i + 1])
        local part = score % 1

        -- no push was taken since its newest command was queued

        if part < 0.5 then
            local since = part == 0 and math.floor(score)
            local uuid = redis.call('LRANGE', T .. ':q:' .. id, -1, -1)[1]
                         or redis.call('HGET', T .. ':e:' .. id, 'q')

            if uuid then
                local time = redis.call('HGET', T .. ':c:' .. uuid, 'time')

                since = time and tonumber(time) * 1000 or since
            end

            if since and (oldest == 0 or since < oldest) then
                oldest = since
            end
        end
    end
end

return {owed, string.format('%.0f', oldest),
        redis.call('SCARD', T .. ':pd'), redis.call('ZCARD', T .. ':ids')}
