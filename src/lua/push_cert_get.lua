--@readonly
--@args topic
--@returns certs...
--@row certs topic not_after sha256 time by stop since told
-- What is known of push certificates, those that end first in front; no keys.
-- KEYS[1]: mdm:{tenant/push}; topic: key form, or "": all
local P = KEYS[1]
local topics, out = {topic}, {}

if topic == '' then
    topics = redis.call('ZRANGE', P .. ':topics', 0, -1)
end

for _, name in ipairs(topics) do
    local v = redis.call('HMGET', P .. ':c:' .. name, 'not_after', 'sha256',
                         'time', 'by', 'stop', 'since', 'told')

    if v[1] then
        out[#out + 1] = name

        for i = 1, 7 do
            out[#out + 1] = v[i] or ''
        end
    end
end

return out
