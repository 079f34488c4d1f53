-- What a manifest is made of.  One that many channels have is made once in a
-- partition: T:db:<digest of sets and their revisions> has its token.

-- declarations that a script puts into a manifest; more are done in slices
local ddm_slice = 400

-- how long a digest is kept, and what a call that was not repeated leaves
local ddm_kept, ddm_left_over = 86400, 3600

-- Lua compares text as the locale of the server has it.  Is that by bytes?
local ddm_bytes

local function ddm_before(a, b)
    if ddm_bytes == nil then
        ddm_bytes = true

        for i = 33, 125 do
            ddm_bytes = ddm_bytes and string.char(i) < string.char(i + 1)
        end
    end

    if ddm_bytes then
        return a < b
    end

    for i = 1, math.min(#a, #b) do
        local x, y = string.byte(a, i), string.byte(b, i)

        if x ~= y then
            return x < y
        end
    end

    return #a < #b
end

-- lists that are sorted, and have each element once, become one
local function ddm_merge(lists)
    while #lists > 1 do
        local half = {}

        for i = 1, #lists, 2 do
            local a, b = lists[i], lists[i + 1] or {}
            local list, x, y, n = {}, 1, 1, 0

            while a[x] and b[y] do
                n = n + 1

                if a[x] == b[y] then
                    list[n] = a[x]
                    x, y = x + 1, y + 1
                elseif ddm_before(a[x], b[y]) then
                    list[n] = a[x]
                    x = x + 1
                else
                    list[n] = b[y]
                    y = y + 1
                end
            end

            for k = x, #a do
                n = n + 1
                list[n] = a[k]
            end

            for k = y, #b do
                n = n + 1
                list[n] = b[k]
            end

            half[#half + 1] = list
        end

        lists = half
    end

    return lists[1] or {}
end

-- "<kind>/<id>" of each declaration of a set, sorted
local function ddm_members(T, set)
    local text = redis.call('HGET', T .. ':ds', 'd:' .. set) or ''
    local list = {}

    for key in string.gmatch(text, '[^\n]+') do
        list[#list + 1] = key
    end

    return list
end

-- the status items that sets and a channel subscribe to, sorted, or nil
local function ddm_subscriptions(T, ctx, sets, own)
    local fields, lists = {}, {}

    for i, def in ipairs(sets) do
        fields[i] = 's:' .. def.name
    end

    for at = 1, #fields, 1000 do
        local found = redis.call('HMGET', T .. ':ds', unpack(fields, at,
                                             math.min(at + 999, #fields)))

        for i = 1, #found do
            lists[#lists + 1] = found[i] and cjson.decode(found[i]) or nil
        end
    end

    if own then
        local list, seen = {}, {}

        for _, item in ipairs(cjson.decode(own)) do
            if not seen[item] then
                seen[item] = true
                list[#list + 1] = item
            end
        end

        table.sort(list, ddm_before)
        lists[#lists + 1] = list
    end

    for _, list in ipairs(lists) do
        ddm_cost(ctx, #list)
    end

    local items = ddm_merge(lists)

    return #items > 0 and items or nil
end

-- the declarations that the module makes of subscriptions: keys, sorted, and
-- their token
local function ddm_made(items)
    local id = 'ngx_mdm.status-subscriptions'

    return {'activation/' .. id .. '.activation', 'configuration/' .. id},
           redis.sha1hex(table.concat(items, '\n'))
end

-- names of variables, sorted, as text with the values that a channel has
local function ddm_values(T, who, names)
    local text = {}

    for name in string.gmatch(names, '[^,]+') do
        text[#text + 1] = name .. '=' .. who.value(name)
    end

    return table.concat(text, '\n')
end

-- Puts declarations behind those of a manifest m: lines of its token, items by
-- kind, fields of T:dm:<token>.
local function ddm_put(T, ctx, who, m, keys, made, token)
    local own, n = {}, #m.lines

    for _, key in ipairs(made) do
        own[key] = true
    end

    for at = 1, #keys, 1000 do
        local last = math.min(at + 999, #keys)
        local rows = redis.call('HMGET', T .. ':dk', unpack(keys, at, last))

        for i = at, last do
            local key, row = keys[i], rows[i - at + 1]
            local is, template, vars

            if own[key] then
                is, template = token, '-'
            elseif row then
                template = string.sub(row, 1, 40)
                is, vars = template, #row > 41 and string.sub(row, 42)
            end

            if vars then
                local text = is

                for name in string.gmatch(vars, '[^,]+') do
                    m.values[name] = who.value(name)
                    m.vars = true
                    ddm_cost(ctx, 1)
                    text = text .. '\n' .. name .. '=' .. m.values[name]
                end

                is = redis.sha1hex(text)
            end

            if is then
                local kind, id = string.match(key, '^(%l+)/(.*)$')
                local list = m.items[kind]

                -- what the key form leaves as it is needs no quotes in JSON

                if string.find(id, '%', 1, true) then
                    id = cjson.encode(ddm_unescape(id))
                else
                    id = '"' .. id .. '"'
                end

                list[#list + 1] = '{"Identifier":' .. id .. ',"ServerToken":"'
                                  .. is .. '"}'
                n = n + 1
                m.lines[n] = key .. '\t' .. is .. '\n'
                m.fields[2 * n - 1] = key
                m.fields[2 * n] = is .. ' ' .. template
            end
        end
    end

    ddm_cost(ctx, 3 * #keys)
end

local function ddm_empty()
    return {lines = {}, fields = {}, values = {}, items = {
        activation = {}, asset = {}, configuration = {}, management = {}}}
end

local function ddm_json(items, token)
    local text = {}

    -- it may be megabytes, which are put together once

    local function put(before, list)
        text[#text + 1] = before

        for i, item in ipairs(list) do
            text[#text + 1] = i > 1 and ',' or ''
            text[#text + 1] = item
        end
    end

    put('{"Declarations":{"Activations":[', items.activation)
    put('],"Assets":[', items.asset)
    put('],"Configurations":[', items.configuration)
    put('],"Management":[', items.management)
    put(']},"DeclarationsToken":"' .. token .. '"}', {})

    return table.concat(text)
end

local function ddm_hset(key, fields)
    for at = 1, #fields, 1000 do
        redis.call('HSET', key, unpack(fields, at,
                                       math.min(at + 999, #fields)))
    end
end

-- names of the variables that a manifest has, sorted, "" for none
local function ddm_names(values)
    local names = {}

    for name in pairs(values) do
        names[#names + 1] = name
    end

    table.sort(names, ddm_before)

    return table.concat(names, ',')
end

-- The digest of a manifest, where its variables are known: theirs are part of
-- it, too.
local function ddm_digest(T, who, digest, names)
    if names == '' then
        return digest
    end

    return redis.sha1hex(digest .. '\n' .. ddm_values(T, who, names))
end

-- Remembers the token of a manifest.  "names" are those of its variables.
local function ddm_remember(T, ctx, who, digest, names, token)
    if names ~= '' then
        redis.call('SET', T .. ':db:' .. digest, 'v ' .. names, 'EX', ddm_kept)
        ctx.known[digest] = 'v ' .. names
        digest = ddm_digest(T, who, digest, names)
    end

    redis.call('SET', T .. ':db:' .. digest, 't ' .. (token or ''), 'EX',
               ddm_kept)
    ctx.known[digest] = 't ' .. (token or '')
end

-- the token of a manifest that was made before, "" if it is empty, or nil
local function ddm_known(T, ctx, who, digest)
    ctx.known = ctx.known or {}

    for _ = 1, 2 do
        local known = ctx.known[digest]

        if known == nil then
            known = redis.call('GET', T .. ':db:' .. digest)
            ddm_cost(ctx, 1)

            if known and string.sub(known, 1, 2) == 't ' and #known > 2
                and redis.call('HEXISTS', T .. ':dm:' .. string.sub(known, 3),
                               'items') == 0
            then
                known = false
            end

            ctx.known[digest] = known
        end

        if not known then
            return nil
        end

        if string.sub(known, 1, 2) == 't ' then
            return string.sub(known, 3)
        end

        digest = ddm_digest(T, who, digest, string.sub(known, 3))
        ddm_cost(ctx, 1)
    end

    return nil
end

-- makes a manifest that is small enough
local function ddm_make(T, ctx, who, sets)
    local lists, made, token = {}, {}, nil
    local items = ddm_subscriptions(T, ctx, sets, who.own)
    local m = ddm_empty()

    for i, def in ipairs(sets) do
        lists[i] = ddm_members(T, def.name)
        ddm_cost(ctx, #lists[i])
    end

    if items then
        made, token = ddm_made(items)
        lists[#lists + 1] = made
        m.subs = cjson.encode(items)
    end

    ddm_put(T, ctx, who, m, ddm_merge(lists), made, token)
    m.token = #m.lines > 0 and redis.sha1hex(table.concat(m.lines))

    return m
end

-- keeps a manifest that was made
local function ddm_write(T, m)
    local key = T .. ':dm:' .. m.token
    local fields = m.fields

    if redis.call('HEXISTS', key, 'items') == 1 then
        return
    end

    if m.subs then
        fields[#fields + 1] = 'subs'
        fields[#fields + 1] = m.subs
    end

    if m.vars then
        fields[#fields + 1] = 'vars'
        fields[#fields + 1] = cjson.encode(m.values)
    end

    fields[#fields + 1] = 'items'
    fields[#fields + 1] = ddm_json(m.items, m.token)

    ddm_hset(key, fields)
end

-- Does a slice of a manifest that is too large for one script.  What was done
-- lies in T:dw:<name>…: z: all declarations, in order; m: fields of the
-- manifest; l, activation, …: pieces of text.  Whoever called is called again,
-- and finds the token when it is done.
local ddm_pieces = {'activation', 'asset', 'configuration', 'management'}

local function ddm_collect(T, ctx, who, sets, key, at)
    local n = 0

    while at < #sets and n < ddm_slice do
        local args = {}

        at = at + 1

        for _, name in ipairs(ddm_members(T, sets[at].name)) do
            args[#args + 1] = 0
            args[#args + 1] = name
        end

        n = n + #args / 2 + 1

        for i = 1, #args, 1000 do
            redis.call('ZADD', key .. 'z', unpack(args, i,
                                                  math.min(i + 999, #args)))
        end
    end

    if at == #sets then
        local items = ddm_subscriptions(T, ctx, sets, who.own)

        if items then
            local made, token = ddm_made(items)

            redis.call('ZADD', key .. 'z', 0, made[1], 0, made[2])
            redis.call('HSET', key, 'token', token, 'subs',
                       cjson.encode(items))
        end
    end

    redis.call('HSET', key, 'sets', at)
end

local function ddm_append(T, ctx, who, key, at, token)
    local keys = redis.call('ZRANGE', key .. 'z', at, at + ddm_slice - 1)
    local m = ddm_empty()

    if #keys == 0 then
        return false
    end

    m.values = cjson.decode(redis.call('HGET', key, 'values') or '{}')
    ddm_put(T, ctx, who, m, keys, token and ddm_made({}) or {}, token)

    if #m.lines > 0 then
        redis.call('RPUSH', key .. 'l', table.concat(m.lines))
        ddm_hset(key .. 'm', m.fields)
    end

    for _, piece in ipairs(ddm_pieces) do
        if #m.items[piece] > 0 then
            redis.call('RPUSH', key .. piece, table.concat(m.items[piece],
                                                           ','))
        end
    end

    redis.call('HSET', key, 'at', at + #keys, 'values',
               cjson.encode(m.values))

    return true
end

-- The end, a call for each part of it: the token, the answer to
-- declaration-items, the key of the manifest.  Is it over?
local function ddm_finish(T, ctx, who, digest, key)
    local v = redis.call('HMGET', key, 'values', 'subs', 'dt', 'items')
    local token = v[3]

    if not token then
        local text = table.concat(redis.call('LRANGE', key .. 'l', 0, -1))

        token = text ~= '' and redis.sha1hex(text) or ''
        redis.call('HSET', key, 'dt', token)

        return false
    end

    local to = T .. ':dm:' .. token
    local made = token ~= '' and redis.call('HEXISTS', to, 'items') == 0

    if made and not v[4] then
        local items = {}

        for _, piece in ipairs(ddm_pieces) do
            items[piece] = redis.call('LRANGE', key .. piece, 0, -1)
        end

        redis.call('HSET', key .. 'm', 'items', ddm_json(items, token))
        redis.call('HSET', key, 'items', 1)

        return false
    end

    local values = cjson.decode(v[1] or '{}')

    if made then
        if v[2] then
            redis.call('HSET', key .. 'm', 'subs', v[2])
        end

        if next(values) then
            redis.call('HSET', key .. 'm', 'vars', v[1])
        end

        redis.call('RENAME', key .. 'm', to)
        redis.call('EXPIRE', to, ddm_kept)
    end

    ddm_remember(T, ctx, who, digest, ddm_names(values),
                 token ~= '' and token)
    redis.call('UNLINK', key, key .. 'm', key .. 'z', key .. 'l',
               key .. 'activation', key .. 'asset', key .. 'configuration',
               key .. 'management')

    return true
end

local function ddm_more(T, ctx, who, digest, sets)
    local key = T .. ':dw:' .. redis.sha1hex(digest .. '\n' .. who.all())
    local v = redis.call('HMGET', key, 'sets', 'at', 'token')

    ctx.cost = (ctx.cost or 0) + 1000000

    if tonumber(v[1] or '0') < #sets then
        ddm_collect(T, ctx, who, sets, key, tonumber(v[1] or '0'))

    elseif not ddm_append(T, ctx, who, key, tonumber(v[2] or '0'), v[3])
        and ddm_finish(T, ctx, who, digest, key)
    then
        return
    end

    redis.call('EXPIRE', key, ddm_left_over)

    for _, piece in ipairs({'m', 'z', 'l', unpack(ddm_pieces)}) do
        redis.call('EXPIRE', key .. piece, ddm_left_over)
    end
end
