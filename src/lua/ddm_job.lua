--@args mode runner lease upto fields...
--@returns code rev
-- Who rolls out a tenant's changes, and how far that is.
-- lease: seconds that the runner may be silent; upto: revision; fields: field,
-- value, … of the progress
-- mode "begin": {1, revision}: it is this runner; {0}: it is another one,
--      which looks again when it is through
-- mode "poll": the same, but {3} where the last rollout was complete; {3} in
--      either where there never was anything to roll out
-- mode "kick": {1}: it is looked once more, by whoever; {3}
-- mode "go": {1}; {0}: it is another one meanwhile
-- mode "end": {1}: through; {2, revision}: there is more; {0}
-- mode "quit": {1}
local D, lease = KEYS[1], tonumber(lease)
local job = D .. ':job'
--@include time
local now = tonumber(time[1])
local v = redis.call('HMGET', job, 'runner', 'until', 'state', 'kick', 'rev')
local mine = v[1] == runner

if mode == 'begin' or mode == 'poll' or mode == 'kick' then
    local rev = redis.call('HGET', D .. ':meta', 'rev')

    -- a tenant that has no sets keeps nothing of this

    if not rev then
        return {3}
    end

    if mode == 'kick' then
        redis.call('HSET', job, 'kick', 1)
        return {1}
    end

    -- one that ends later than a lease from now is of a clock that was wrong

    local ends = tonumber(v[2] or '0')

    if v[1] and not mine and ends > now and ends <= now + lease then

        if mode == 'begin' then
            redis.call('HSET', job, 'kick', 1)
        end

        return {0}
    end

    if mode == 'poll' and v[3] ~= 'running' and not v[4]
        and rev == (v[5] or '0')
    then
        return {3}
    end

    redis.call('HDEL', job, 'kick')
    redis.call('HSET', job, 'runner', runner, 'until', now + lease)

    if v[3] ~= 'running' then
        redis.call('HSET', job, 'state', 'running', 'started', now,
                   'partitions', 0, 'done', 0, 'seen', 0, 'changed', 0,
                   'queued', 0)
        redis.call('HDEL', job, 'finished')
    end

    return {1, tonumber(rev)}
end

if not mine then
    return {0}
end

for i = fields_at, #ARGV - 1, 2 do
    redis.call('HSET', job, ARGV[i], ARGV[i + 1])
end

if mode == 'go' then
    redis.call('HSET', job, 'until', now + lease)
    return {1}
end

if mode == 'end' then
    local rev = tonumber(redis.call('HGET', D .. ':meta', 'rev') or 0)

    if rev > tonumber(upto) or v[4] then
        redis.call('HDEL', job, 'kick')
        redis.call('HSET', job, 'until', now + lease)
        return {2, rev}
    end

    redis.call('HSET', job, 'state', 'done', 'finished', now, 'rev', upto)
end

redis.call('HDEL', job, 'runner', 'until')

return {1}
