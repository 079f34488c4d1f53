--@args id
--@returns code
-- All that follows a TokenUpdate is done: the next one is none of a channel
-- that can be told just now.
-- {1}
redis.call('HDEL', KEYS[1] .. ':e:' .. id, 'fresh')

return {1}
