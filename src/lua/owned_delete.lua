--@onekey
--@args
--@returns code
-- Takes away what owned_put.lua has left.
-- {1}: it is gone; {0}: there was none
return {redis.call('UNLINK', KEYS[1])}
