--@onekey
-- These devices do not have this serial number any more.  KEYS[1]: its key,
-- ARGV: devices.  {how many went}
return {redis.call('SREM', KEYS[1], unpack(ARGV))}
