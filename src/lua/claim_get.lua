--@readonly
--@args
--@returns device ca purpose bind renew state
-- Whose is this certificate, and what was it issued for?  KEYS[1]: its key.
-- {device or "", the CA or "": it is not in the ledger; purpose; bindings,
-- JSON, sealed where there is a key, or ""; when it is to be renewed; its
-- state}
local v = redis.call('HMGET', KEYS[1] .. ':x', 'ca', 'purpose', 'bind',
                     'renew', 'state')

return {redis.call('GET', KEYS[1]) or '', v[1] or '', v[2] or '', v[3] or '',
        v[4] or '', v[5] or ''}
