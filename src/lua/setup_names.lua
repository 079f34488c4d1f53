--@readonly
--@onekey
--@args
--@returns names...
-- The names of all setups of a tenant, sorted.  KEYS[1]:
-- mdm:{tenant/prof}:setup
local names = redis.call('SMEMBERS', KEYS[1])

table.sort(names)

return names
