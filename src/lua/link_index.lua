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
--@include listed
local P = KEYS[1]
local L = {ids = P .. ':links', due = P .. ':links_due', item = P .. ':link:'}
local known = redis.call('HMGET', L.item .. id, 'digest', 'until')

if known[1] == digest then
    return {0, known[2]}
end

local now = clock()

if not listed.room(L, now, most) then
    return {-2}
end

local ends = string.format('%.0f', now + tonumber(ttl))

listed.enter(L, id, ends, 'digest', digest, 'enrollment', enrollment, 'uses',
             uses, 'bind', bind, 'time', now, 'by', who)

event(P, limit, 'api.EnrollmentLink', id,
      {by = who, address = address, change = 'new', enrollment = enrollment,
       uses = tonumber(uses), expires = tonumber(ends)})

return {1, ends}
