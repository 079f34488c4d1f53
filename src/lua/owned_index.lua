--@refuses
--@args who address limit serial change rev
--@returns known rev
-- A serial number is about to be put into the tenant's list of owned devices
-- ("put") or to be taken off it ("delete"): that is audited first, and gets a
-- number, by which owned_put and owned_delete come in the same order.  "gone":
-- it is off, since "rev", unless it was put meanwhile.
-- KEYS[1]: mdm:{tenant/prof}; serial: in key form; rev: with "gone"
-- {1: it is, or was, in the list; 0; its number}; {-100, …}: see outbox_full()
--@include event
--@include clock
--@include outbox_full
local P = KEYS[1]
local ids, revs = P .. ':dev', P .. ':dev_rev'

if change == 'gone' then
    if redis.call('HGET', revs, serial) ~= rev then
        return {0, rev}
    end

    redis.call('HDEL', revs, serial)

    return {redis.call('ZREM', ids, serial), rev}
end

local full = change == 'put' and outbox_full(P, limit)

if full then
    return full
end

local known = redis.call('ZSCORE', ids, serial) and 1 or 0

-- No serial number is empty.  A failover may have lost some changes, which are
-- known in slots of their own: what comes later is later than these.

local time = clock_time()
local n = math.max(tonumber(redis.call('HGET', revs, '') or '0') + 1,
                   time[1] * 1000 + math.floor(time[2] / 1000))

n = string.format('%.0f', n)
redis.call('HSET', revs, '', n)

if change == 'put' then
    redis.call('ZADD', ids, 0, serial)
    redis.call('HDEL', revs, serial)
else
    redis.call('HSET', revs, serial, n)
end

event(P, limit, 'api.Serial', serial,
      {by = who, address = address, change = change})

return {known, n}
