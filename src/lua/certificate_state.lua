--@args state
--@returns code
-- A certificate of the ledger has come to this state.  KEYS[1]: its key
-- {1}; {0}: it is not in the ledger
local ledger = KEYS[1] .. ':x'

if redis.call('EXISTS', ledger) == 0 then
    return {0}
end

redis.call('HSET', ledger, 'state', state)

return {1}
