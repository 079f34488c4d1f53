--@readonly
--@args after before most
--@returns places...
-- A page of all certificates that were issued here and have not expired, by
-- when they do.  KEYS[1]: mdm:{tenant/ca}; after: behind this place, or "";
-- before: those that expire before (Unix seconds), or "": all; most: how many
-- at most
-- {twelve digits, Unix seconds, ":", SHA-256 (hex), …}
return redis.call('ZRANGEBYLEX', KEYS[1] .. ':certs',
                  after == '' and '-' or '(' .. after,
                  before == '' and '+'
                  or '(' .. string.format('%012.0f', tonumber(before)),
                  'LIMIT', 0, most)
