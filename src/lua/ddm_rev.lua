--@readonly
--@args set
--@returns rev known setups
-- How far a tenant's declarations are.  set: one, or ""
-- {rev, 1: there is such a set, how often setups have changed}
local D = KEYS[1]
local v = redis.call('HMGET', D .. ':meta', 'rev', 'setups')

return {tonumber(v[1] or '0'),
        set ~= '' and redis.call('ZSCORE', D .. ':sets', set)
        and 1 or 0, tonumber(v[2] or '0')}
