--@readonly
--@args
--@returns rev state started finished rolled_out partitions done seen changed
--@returns queued
-- The progress of a rollout.
-- {revision, state, started, finished, revision rolled out, partitions, done,
--  seen, changed, queued}
local job = redis.call('HMGET', KEYS[1] .. ':job', 'state', 'started',
                       'finished', 'rev', 'partitions', 'done', 'seen',
                       'changed', 'queued')

table.insert(job, 1, redis.call('HGET', KEYS[1] .. ':meta', 'rev') or '0')

return job
