--@readonly
--@onekey
--@args
--@returns tenants...
--@row tenants name time
-- Tenants that may have work for a runner.
-- KEYS[1]: mdm:jobs
-- {tenant, when it last got some (Unix seconds), …}, the oldest first
return redis.call('ZRANGE', KEYS[1], 0, 63, 'WITHSCORES')
