--@readonly
--@onekey
-- Who came with this serial number?  Some may have another one by now.
-- KEYS[1]: its key, ARGV: how many at most.  {how many there are, id, …}
local n = redis.call('SCARD', KEYS[1])
local most = tonumber(ARGV[1])

if n > most then
    return {n, unpack(redis.call('SRANDMEMBER', KEYS[1], most))}
end

return {n, unpack(redis.call('SMEMBERS', KEYS[1]))}
