--@readonly
--@args topic files...
--@returns certs...
--@row certs topic not_after sha256 time by stop since told
-- What is known of push certificates, those that end first in front; no keys.
-- KEYS[1]: mdm:{tenant/push}; topic: key form, or "": all; files: topics whose
-- certificate comes from a file, of which a row says that they are stopped
local P = KEYS[1]
local topics, from_file, out = {topic}, {}, {}

for i = files_at, #ARGV do
    local name = ARGV[i]
    local v = redis.call('HMGET', P .. ':s:' .. name, 'sha256', 'stop',
                         'since')

    from_file[name] = true

    if v[1] and v[2] then
        for _, value in ipairs({name, '', v[1], '', '', v[2], v[3] or '', ''})
        do
            out[#out + 1] = value
        end
    end
end

if topic == '' then
    topics = redis.call('ZRANGE', P .. ':topics', 0, -1)
end

for _, name in ipairs(topics) do
    local v = redis.call('HMGET', P .. ':c:' .. name, 'not_after', 'sha256',
                         'time', 'by', 'stop', 'since', 'told')

    if v[1] and not from_file[name] then
        out[#out + 1] = name

        for i = 1, 7 do
            out[#out + 1] = v[i] or ''
        end
    end
end

return out
