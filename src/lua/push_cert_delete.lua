--@args who address limit topic
--@returns code
-- The push certificate of a topic, and its key, are not kept any more.
-- KEYS[1]: mdm:{tenant/push}; topic: key form
-- {1}: deleted, {0}: there is none
--@include event
local P = KEYS[1]
local name = P .. ':c:' .. topic
local sha256 = redis.call('HGET', name, 'sha256')

if not sha256 then
    return {0}
end

redis.call('DEL', name)
redis.call('ZREM', P .. ':topics', topic)

event(P, limit, 'api.PushCertificate', topic,
      {by = who, address = address, cert = sha256, change = 'deleted'})

return {1}
