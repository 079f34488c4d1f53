-- what a setup goes by, as setup_facts.lua has it
local function setup_facts(T, id, device)
    local w = redis.call('HMGET', T .. ':w:' .. id, 'state', 'release',
                         'follow')
    local u = redis.call('HMGET', T .. ':e:' .. id, 'type', 'awaiting',
                         'short_name', 'long_name')
    local names = {'serial', 'model', 'product', 'name', 'os'}
    local d = redis.call('HMGET', T .. ':e:' .. device, unpack(names))
    local given = redis.call('HGETALL', T .. ':d:' .. id)

    local function unescape(s)
        return (string.gsub(s, '%%(%x%x)', function(digits)
            return string.char(tonumber(digits, 16))
        end))
    end

    local variables = {
        short_name = u[3] or '', long_name = u[4] or '',
        enrollment_id = unescape(id), device_id = unescape(device)
    }

    for i, name in ipairs(names) do
        variables[name] = d[i] or ''
    end

    if w[3] and w[1] ~= 'owed' and w[1] ~= 'lost' then
        w[1] = 'follow'
    end

    local reply = {w[1] or '', tonumber(u[2] or '0'), w[2] or '', u[1] or '',
                   d[2] or '', d[3] or '', ''}

    for i = 1, #given, 2 do
        local kind, name = string.match(given[i], '^([tv]):(.*)$')

        if kind == 't' then
            reply[#reply + 1] = name
        elseif kind == 'v' then
            variables[name] = given[i + 1]
        end
    end

    reply[7] = cjson.encode(variables)

    return reply
end
