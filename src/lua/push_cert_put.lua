--@args who address limit topic cert key not_after sha256 most
--@returns code
-- The push certificate of a topic, in the place of the one that is there.
-- KEYS[1]: mdm:{tenant/push}; topic: key form; cert: PEM, its chain behind it;
-- key: PEM, or that encrypted; not_after: Unix seconds; sha256: of the
-- certificate, hex; most: topics at most
-- {1}: it is there now, {0}: it was already; {-2}: there are too many topics
--@include event
--@include clock
local P = KEYS[1]
local name = P .. ':c:' .. topic
local old = redis.call('HMGET', name, 'sha256', 'cert', 'key', 'stop')

if old[1] == sha256 and old[2] == cert and old[3] == key and not old[4] then
    return {0}
end

if not old[1]
    and redis.call('ZCARD', P .. ':topics') >= tonumber(most)
then
    return {-2}
end

redis.call('HSET', name, 'cert', cert, 'key', key, 'not_after', not_after,
           'sha256', sha256, 'time', clock(), 'by', who)
redis.call('HDEL', name, 'stop', 'since', 'probe', 'told')
redis.call('ZADD', P .. ':topics', not_after, topic)

event(P, limit, 'api.PushCertificate', topic,
      {by = who, address = address, cert = sha256,
       change = old[1] and 'changed' or 'new', replaced = old[1] or nil,
       not_after = tonumber(not_after)})

return {1}
