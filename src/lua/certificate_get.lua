--@readonly
--@args
--@returns code device ca sn spki purpose bind challenge from ends renew state
--@returns owner der
-- A certificate of the ledger.  KEYS[1]: its key
-- {1, device that it is claimed for or "", …}; {0, device}: it is not there
local v = redis.call('HMGET', KEYS[1] .. ':x', 'ca', 'serial', 'key',
                     'purpose', 'bind', 'challenge', 'from', 'until', 'renew',
                     'state', 'owner', 'der')
local out = {v[1] and 1 or 0, redis.call('GET', KEYS[1]) or ''}

for i = 1, 12 do
    out[i + 2] = v[i] or ''
end

return out
