--@readonly
--@onekey
--@args most
--@returns number ids...
-- Who came with this serial number?  Some may have another one by now.
-- KEYS[1]: its key; most: how many at most.  {how many there are, id, …}
local n = redis.call('SCARD', KEYS[1])
local most = tonumber(most)

if n > most then
    return {n, unpack(redis.call('SRANDMEMBER', KEYS[1], most))}
end

return {n, unpack(redis.call('SMEMBERS', KEYS[1]))}
