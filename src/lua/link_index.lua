--@args who address limit id digest enrollment uses ttl bind most
--@returns code ends
-- A link is about to be made: it is entered in the tenant's list, and audited,
-- before it is good for anything.  What has expired goes, some of it.
-- KEYS[1]: mdm:{tenant/prof}; digest: SHA-256 of its token, hex; enrollment:
-- the name of a block; uses: devices that may enroll by it; ttl: seconds; bind:
-- JSON, sealed where there is a key, or ""; most: links at most
-- {1, when it expires}, {0, …}: it is there already; {-2}: there are too many
--@include event
--@include clock
local P = KEYS[1]
local name = P .. ':link:' .. id
local known = redis.call('HMGET', name, 'digest', 'until')

if known[1] == digest then
    return {0, known[2]}
end

local now = clock()
local gone = redis.call('ZRANGEBYSCORE', P .. ':links_due', '-inf', now,
                        'LIMIT', 0, 100)

if #gone > 0 then
    for _, one in ipairs(gone) do
        redis.call('UNLINK', P .. ':link:' .. one)
    end

    redis.call('ZREM', P .. ':links_due', unpack(gone))
    redis.call('ZREM', P .. ':links', unpack(gone))
end

if redis.call('ZCARD', P .. ':links') >= tonumber(most) then
    return {-2}
end

local ends = string.format('%.0f', now + tonumber(ttl))

redis.call('HSET', name, 'digest', digest, 'enrollment', enrollment, 'uses',
           uses, 'until', ends, 'bind', bind, 'time', now, 'by', who)
redis.call('EXPIREAT', name, ends)
redis.call('ZADD', P .. ':links_due', ends, id)
redis.call('ZADD', P .. ':links', 0, id)

event(P, limit, 'api.EnrollmentLink', id,
      {by = who, address = address, change = 'new', enrollment = enrollment,
       uses = tonumber(uses), expires = tonumber(ends)})

return {1, ends}
