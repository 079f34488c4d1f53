--@readonly
--@onekey
--@args
--@returns id adopted
-- Is the store still the one that the worker has come to know?
-- KEYS[1]: mdm:meta
-- its id or '', the ids that it has taken the place of, parted by blanks
local v = redis.call('HMGET', KEYS[1], 'store_id', 'adopted')

return {v[1] or '', v[2] or ''}
