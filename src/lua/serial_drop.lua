--@onekey
--@args devices...
--@returns dropped
-- These devices do not have this serial number any more.  KEYS[1]: its key.
-- {how many went}
return {redis.call('SREM', KEYS[1], unpack(ARGV))}
