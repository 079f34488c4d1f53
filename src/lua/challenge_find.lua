--@readonly
--@args id
--@returns digest
-- Which challenge has this id?  KEYS[1]: mdm:{tenant/ca}
-- {its SHA-256, hex, or ""}
return {redis.call('HGET', KEYS[1] .. ':c:' .. id, 'digest') or ''}
