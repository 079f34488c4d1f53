--@args who address limit topic sha256 file reason
--@returns code
-- APNs takes no push of a topic any more, or takes them again.
-- KEYS[1]: mdm:{tenant/push}; topic: key form; sha256: the certificate that it
-- was pushed to with; file: 1 if that comes from a file; reason: why, or "": it
-- takes them again
-- {1}: that is news; {0}: it was so, or another certificate is there
--@include event
--@include clock
--@include push_stop
local P = KEYS[1]
local name = push_stop_place(P, topic, file)
local v = redis.call('HMGET', name, 'sha256', 'stop')
local stopped = v[2] and v[1] == sha256

if file ~= '1' and v[1] ~= sha256 then
    return {0}
end

if reason == '' then
    if not stopped then
        return {0}
    end

    if file == '1' then
        redis.call('DEL', name)
    else
        redis.call('HDEL', name, 'stop', 'since', 'probe')
    end

    event(P, limit, 'push.TopicResumed', topic, {cert = sha256})

    return {1}
end

if stopped then
    return {0}
end

redis.call('HSET', name, 'sha256', sha256, 'stop', reason, 'since', clock(),
           'probe', clock())

event(P, limit, 'push.TopicStopped', topic, {cert = sha256, reason = reason})

return {1}
