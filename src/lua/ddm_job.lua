--@args mode upto fields...
--@returns code rev seen changed queued
-- How far the rollout of a tenant's changes is.
-- upto: revision; fields: field, value, … of the progress
-- mode "begin": {1, revision, and how far a rollout that was left is: channels
-- looked at, changed, queued}; {3}: there never was anything to roll out
-- mode "go", "quit": {1}
-- mode "end": {1}: through; {2, revision}: there is more
--@include time
local D = KEYS[1]
local job = D .. ':job'
local rev = redis.call('HGET', D .. ':meta', 'rev')
local now = time[1]

if mode == 'begin' then

    -- a tenant that has no sets keeps nothing of this

    if not rev then
        return {3}
    end

    if redis.call('HGET', job, 'state') ~= 'running' then
        redis.call('HSET', job, 'state', 'running', 'started', now,
                   'partitions', 0, 'done', 0, 'seen', 0, 'changed', 0,
                   'queued', 0)
        redis.call('HDEL', job, 'finished')
    end

    local v = redis.call('HMGET', job, 'seen', 'changed', 'queued')

    return {1, tonumber(rev), tonumber(v[1] or '0'), tonumber(v[2] or '0'),
            tonumber(v[3] or '0')}
end

for i = fields_at, #ARGV - 1, 2 do
    redis.call('HSET', job, ARGV[i], ARGV[i + 1])
end

if mode == 'end' then

    if tonumber(rev or '0') > tonumber(upto) then
        return {2, tonumber(rev)}
    end

    redis.call('HSET', job, 'state', 'done', 'finished', now, 'rev', upto)

    -- all partitions have heard that no set has these any more

    for _, id in ipairs(redis.call('ZRANGEBYSCORE', D .. ':gone', '-inf', upto,
                                   'LIMIT', 0, 500))
    do
        redis.call('ZREM', D .. ':gone', id)
        redis.call('ZREM', D .. ':rows', id)
    end
end

return {1}
