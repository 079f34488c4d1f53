--@onekey
--@args tenant
--@returns code
-- A change of a tenant is about to be made, or has been: somebody has to see
-- whether there is work.
-- KEYS[1]: mdm:jobs
--@include time
redis.call('ZADD', KEYS[1], time[1], tenant)

return {1}
