--@readonly
--@args what first last ids...
--@returns channels...
--@row declarations activations configurations assets management manifest...
--@row manifest key tokens
--@row values place value
-- What channels reported.  what, first, last: "values", prefix of paths in the
-- values, "" | "errors", from, to | "declarations", "", ""
-- for each id an array, empty where nothing is known, and -1 in front of all
-- if it is not enrolled
-- values: {place, value, …}; errors: {error, …}, newest first
-- declarations: {values of activations, configurations, assets, management
-- ("": never reported), "kind/id", "ServerToken template", … of its manifest}
--@include era_of
local T = KEYS[1]
local reply = {}

for i = ids_at, #ARGV do
    local id, one = ARGV[i], {}
    local e = redis.call('HMGET', T .. ':e:' .. id, 'type', 'dt', 'parent',
                         'era')
    local values = T .. ':s:' .. id

    if not e[1] then
        one[1] = -1

    elseif era_before(T, e[3], e[4]) ~= 0 then
        one = what == 'declarations' and {'', '', '', ''} or {}

    elseif what == 'errors' then
        one = redis.call('LRANGE', T .. ':se:' .. id, first, last)

    elseif what == 'values' then
        local prefix = first
        local all = redis.call('HGETALL', values)

        for k = 1, #all, 2 do
            local path = string.match(all[k], '^[^\31]*')

            if string.sub(path, 1, #prefix) == prefix
                or string.sub(prefix, 1, #path + 1) == path .. '.'
            then
                one[#one + 1] = all[k]
                one[#one + 1] = all[k + 1]
            end
        end

    else
        one = redis.call('HMGET', values,
                         'management.declarations.activations',
                         'management.declarations.configurations',
                         'management.declarations.assets',
                         'management.declarations.management')

        for k = 1, 4 do
            one[k] = one[k] or ''
        end

        local manifest = e[2] and redis.call('HGETALL', T .. ':dm:' .. e[2])

        for k = 1, manifest and #manifest or 0, 2 do
            if string.find(manifest[k], '/', 1, true) then
                one[#one + 1] = manifest[k]
                one[#one + 1] = manifest[k + 1]
            end
        end
    end

    reply[#reply + 1] = one
end

return reply
