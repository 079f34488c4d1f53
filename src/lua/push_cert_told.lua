--@args who address limit topic sha256 told data
--@returns code
-- That a push certificate ends is about to be said, by one of all workers.
-- KEYS[1]: mdm:{tenant/push}; topic: key form; sha256: the certificate; told:
-- what will have been said; data: of an event, JSON, or "": none
-- {1}: to be said; {0}: it was, or another certificate is there
--@include event
local name = KEYS[1] .. ':c:' .. topic
local v = redis.call('HMGET', name, 'sha256', 'told')

if v[1] ~= sha256 or v[2] == told then
    return {0}
end

redis.call('HSET', name, 'told', told)

if data ~= '' then
    event(KEYS[1], limit, 'push.CertificateExpires', topic, data)
end

return {1}
