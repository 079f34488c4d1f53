--@onekey
--@args name cert ends
--@returns code
-- What a transaction of a client, the last one that it has signed with this
-- public key, has come to.  KEYS[1]: mdm:{tenant/spki:<SHA-256 of it>}; name:
-- of the transaction, hex; cert: SHA-256 of the certificate, hex; ends: when
-- that does (Unix seconds)
-- {1}
local key = KEYS[1]
local last = tonumber(redis.call('HGET', key, 'until') or '') or 0

redis.call('HSET', key, 'polled', name .. ' ' .. cert)

if tonumber(ends) > last then
    redis.call('HSET', key, 'until', ends)
    redis.call('EXPIREAT', key, ends)
end

return {1}
