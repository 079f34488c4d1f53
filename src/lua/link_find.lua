--@readonly
--@args id
--@returns digest
-- Which link has this id?  KEYS[1]: mdm:{tenant/prof}
-- {SHA-256 of its token, hex, or ""}
return {redis.call('HGET', KEYS[1] .. ':link:' .. id, 'digest') or ''}
