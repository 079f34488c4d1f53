--@readonly
-- How far a tenant's declarations are.  ARGV: a set, or ""
-- {rev, 1: there is such a set}
local D = KEYS[1]

return {tonumber(redis.call('HGET', D .. ':meta', 'rev') or '0'),
        ARGV[1] ~= '' and redis.call('ZSCORE', D .. ':sets', ARGV[1])
        and 1 or 0}
