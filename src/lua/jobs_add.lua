--@onekey
--@args tenant
--@returns code
-- A change of a tenant is about to be made, or has been: somebody has to see
-- whether there is work.
-- KEYS[1]: mdm:jobs
redis.call('ZADD', KEYS[1], redis.call('TIME')[1], tenant)

return {1}
