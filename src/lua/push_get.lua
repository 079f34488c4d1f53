--@readonly
--@args ids...
--@returns channels...
--@row channels code topic token magic
-- What a push to each of these channels takes: 1 and that; 0: not enrolled;
-- 2: disabled; 3: it has brought no token
--@include era_of
local T = KEYS[1]
local out = {}

for i = ids_at, #ARGV do
    local v = redis.call('HMGET', T .. ':e:' .. ARGV[i], 'type', 'parent',
                         'enabled', 'era', 'topic', 'token', 'magic')
    local code = 1

    if not v[1] then
        code = 0

    elseif v[3] ~= '1' or era_before(T, v[2], v[4]) ~= 0 then
        code = 2

    elseif not (v[5] and v[6] and v[7]) or v[6] == '' then
        code = 3
    end

    out[#out + 1] = code

    for k = 5, 7 do
        out[#out + 1] = code == 1 and v[k] or ''
    end
end

return out
