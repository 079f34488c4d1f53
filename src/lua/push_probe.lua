--@volatile
--@args topic sha256 file every
--@returns code
-- May one push of a topic that is stopped be tried now?
-- KEYS[1]: mdm:{tenant/push}; topic: key form; sha256: the certificate that it
-- will be pushed to with; file: 1 if that comes from a file; every: seconds
-- between two probes of all workers
-- {1}: yes, and no other one for a while; {0}: no
--@include clock
--@include push_stop
local name = push_stop_place(KEYS[1], topic, file)
local v = redis.call('HMGET', name, 'sha256', 'stop', 'probe')

if v[1] ~= sha256 or not v[2] then
    return {0}
end

-- one that is ahead comes from a clock that was wrong

local now, last = clock(), tonumber(v[3] or '')

if last and last <= now and now - last < tonumber(every) then
    return {0}
end

redis.call('HSET', name, 'probe', now)

return {1}
