--@readonly
--@args set
--@returns rev known
-- How far a tenant's declarations are.  set: one, or ""
-- {rev, 1: there is such a set}
local D = KEYS[1]

return {tonumber(redis.call('HGET', D .. ':meta', 'rev') or '0'),
        set ~= '' and redis.call('ZSCORE', D .. ':sets', set)
        and 1 or 0}
