--@args who address limit serial change
--@returns code
-- A serial number is about to be put into the tenant's list of owned devices
-- ("put") or to be taken off it ("delete"): that is audited first.  "gone": it
-- is off.  KEYS[1]: mdm:{tenant/prof}; serial: in key form
-- {1}: it is, or was, in the list; {0}
--@include event
local P = KEYS[1]
local ids = P .. ':dev'

if change == 'gone' then
    return {redis.call('ZREM', ids, serial)}
end

local known = redis.call('ZSCORE', ids, serial) and 1 or 0

if change == 'put' then
    redis.call('ZADD', ids, 0, serial)
end

event(P, limit, 'api.Serial', serial,
      {by = who, address = address, change = change})

return {known}
