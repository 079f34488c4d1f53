--@readonly
--@args files known...
--@returns certs...
--@row certs topic not_after sha256 stop since cert key
-- The push certificates of a tenant, for a worker that pushes: cert and key
-- only of those topics that it names, and only if it has another one.
-- KEYS[1]: mdm:{tenant/push}; known: a topic (key form), the sha256 that is
-- known of it or "", the next topic, …; files: the first so many of them have
-- certificates of files, of which a row says that they are stopped
local P = KEYS[1]
local known, from_file, out = {}, {}, {}

for i = known_at, #ARGV - 1, 2 do
    local name = ARGV[i]

    if i < known_at + 2 * tonumber(files) then
        local v = redis.call('HMGET', P .. ':s:' .. name, 'sha256', 'stop',
                             'since')

        from_file[name] = true

        if v[2] and v[1] == ARGV[i + 1] then
            for _, value in ipairs({name, '', v[1], v[2], v[3] or '', '', ''})
            do
                out[#out + 1] = value
            end
        end
    else
        known[name] = ARGV[i + 1]
    end
end

for _, name in ipairs(redis.call('ZRANGE', P .. ':topics', 0, -1)) do
    local key = P .. ':c:' .. name
    local v = redis.call('HMGET', key, 'not_after', 'sha256', 'stop', 'since')

    if v[1] and v[2] and not from_file[name] then
        local pair = {}

        if known[name] and known[name] ~= v[2] then
            pair = redis.call('HMGET', key, 'cert', 'key')
        end

        out[#out + 1] = name

        for i = 1, 4 do
            out[#out + 1] = v[i] or ''
        end

        out[#out + 1] = pair[1] or ''
        out[#out + 1] = pair[2] or ''
    end
end

return out
