-- What a manifest is made of.  One that many channels have is made once in a
-- partition: T:db:<digest of sets and their revisions> has its token.

-- declarations and status items that a script puts into a manifest; more are
-- done in slices
local ddm_slice = 150

-- lines that each part of a token is of; bytes of declaration-items in a field,
-- about; status items of a channel, and names of variables that a digest is of,
-- at most
local ddm_lines, ddm_piece, ddm_subscribed, ddm_named = 400, 65536, 1000, 100

-- how long a digest is kept, and what a call that was not repeated leaves
local ddm_kept, ddm_left_over = 86400, 600

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

-- Of the status items in lists that are sorted those that a channel has.
local function ddm_subscribe(ctx, lists)
    for _, list in ipairs(lists) do
        ddm_cost(ctx, 2 * #list)
    end

    local items = ddm_merge(lists)

    for i = #items, ddm_subscribed + 1, -1 do
        items[i] = nil
    end

    return items
end

-- the status items that a set subscribes to, or a channel itself, sorted
local function ddm_items_of(T, ctx, set)
    local json = redis.call('HGET', T .. ':ds', 's:' .. set)

    ddm_cost(ctx, 1)

    return json and cjson.decode(json) or {}
end

local function ddm_items_own(own)
    local list, seen = {}, {}

    for _, item in ipairs(own and cjson.decode(own) or {}) do
        if not seen[item] then
            seen[item] = true
            list[#list + 1] = item
        end
    end

    table.sort(list, ddm_before)

    return list
end

-- the declarations that the module makes of subscriptions: keys, sorted, and
-- their token
local ddm_made = {'activation/ngx_mdm.status-subscriptions.activation',
                  'configuration/ngx_mdm.status-subscriptions'}

local function ddm_made_token(items)
    return #items > 0 and redis.sha1hex(table.concat(items, '\n')) or nil
end

-- names of variables, sorted, as text with the values that a channel has
local function ddm_values(who, names)
    local text = {}

    for name in string.gmatch(names, '[^,]+') do
        text[#text + 1] = ddm_said(name, who.value(name))
    end

    return table.concat(text, '\n')
end

-- A manifest that is being made.  n: declarations; open, lines: of the last
-- part of its token, and how many they are, sum: of the parts before; text,
-- size, kind, comma: JSON that is in no field yet, its bytes, the list that it
-- is in, and what comes before the next element; pieces: fields with JSON;
-- fields: of T:dm:<token>; names, named: of variables, and how many; any: there
-- are too many of them; vars: there are some; values: those that are not empty;
-- said: name=value, of this script
local function ddm_empty()
    return {n = 0, open = {}, lines = 0, sum = '', text = {}, size = 0,
            kind = 0, comma = '', pieces = 0, fields = {}, names = {},
            named = 0, values = {}, said = {}}
end

local ddm_kinds = {activation = 1, asset = 2, configuration = 3,
                   management = 4}

-- the list of a kind begins, and those before it are at their ends
local ddm_head

do
    local heads = {'{"Declarations":{"Activations":[', '],"Assets":[',
                   '],"Configurations":[', '],"Management":['}

    function ddm_head(m, kind)
        while m.kind < kind do
            m.kind = m.kind + 1
            m.text[#m.text + 1] = heads[m.kind]
            m.comma = ''
        end
    end
end

local function ddm_flush(m)
    m.pieces = m.pieces + 1
    m.fields[#m.fields + 1] = '#' .. m.pieces
    m.fields[#m.fields + 1] = table.concat(m.text)
    m.text, m.size = {}, 0
end

-- a declaration: its token here, and that of the template
local function ddm_add(ctx, m, key, is, template)
    local kind, id = string.match(key, '^(%l+)/(.*)$')

    -- what the key form leaves as it is needs no quotes in JSON

    if string.find(id, '%', 1, true) then
        id = cjson.encode(ddm_unescape(id))
    else
        id = '"' .. id .. '"'
    end

    ddm_head(m, ddm_kinds[kind])

    m.text[#m.text + 1] = m.comma .. '{"Identifier":' .. id
                          .. ',"ServerToken":"' .. is .. '"}'
    m.comma = ','
    m.size = m.size + #id + 74

    if m.size >= ddm_piece then
        ddm_flush(m)
    end

    m.fields[#m.fields + 1] = key
    m.fields[#m.fields + 1] = is .. ' ' .. template

    m.n = m.n + 1
    m.lines = m.lines + 1
    m.open[#m.open + 1] = key .. '\t' .. is .. '\n'

    if m.lines == ddm_lines then
        local text = table.concat(m.open)

        m.sum = m.sum .. redis.sha1hex(text)
        m.open, m.lines = {}, 0
        ddm_cost(ctx, #text / 64)
    end
end

-- the token of a declaration with variables
local function ddm_filled(ctx, who, m, template, vars)
    local text, n, said = {template}, 1, m.said

    for name in string.gmatch(vars, '[^,]+') do
        if not said[name] then
            local value = who.value(name)

            said[name] = ddm_said(name, value)

            if value ~= '' then
                m.values[name] = value
            end

            if not m.any and not m.names[name] then
                m.names[name] = true
                m.named = m.named + 1
                m.any = m.named > ddm_named
            end
        end

        n = n + 1
        text[n] = said[name]
    end

    text = table.concat(text, '\n')
    m.vars = true
    ddm_cost(ctx, 1.5 * n + #text / 100)

    return redis.sha1hex(text)
end

-- Puts declarations behind those of a manifest, as long as there is work for a
-- script; token: of those that are made.  Returns how many of the keys are
-- done, and whether the next one has variables, though there is no channel.
local function ddm_put(T, ctx, who, m, keys, token)
    local own, done, most = {}, 0, (ctx.cost or 0) + ddm_budget
    local step = 16

    for _, key in ipairs(token and ddm_made or {}) do
        own[key] = true
    end

    -- a row may have the names of many variables

    while done < #keys and ctx.cost < most do
        local rows = redis.call('HMGET', T .. ':dk', unpack(keys, done + 1,
                                             math.min(done + step, #keys)))
        local size = 0

        for _, row in ipairs(rows) do
            local key = keys[done + 1]
            local vars = row and #row > 41 and string.sub(row, 42)

            if own[key] then
                ddm_add(ctx, m, key, token, '-')

            elseif vars and not who then
                return done, true

            elseif row then
                local template = string.sub(row, 1, 40)

                ddm_add(ctx, m, key,
                        vars and ddm_filled(ctx, who, m, template, vars)
                        or template, template)
                size = size + #row
            end

            ddm_cost(ctx, 10)
            done = done + 1

            if ctx.cost >= most then
                break
            end
        end

        step = size > 65536 and 4 or math.min(2 * step, 128)
    end

    return done, false
end

-- the end of a manifest: its token, false if it is empty, and what is to be
-- written of it still
local function ddm_end(m, subs)
    if m.n == 0 then
        m.token = false
        return
    end

    -- one part alone is the token

    if m.lines > 0 then
        m.sum = m.sum .. redis.sha1hex(table.concat(m.open))
    end

    m.token = #m.sum > 40 and redis.sha1hex(m.sum) or m.sum

    ddm_head(m, ddm_kinds.management)
    m.text[#m.text + 1] = ']},"DeclarationsToken":"' .. m.token .. '"}'

    if m.pieces > 0 then
        ddm_flush(m)
        m.text = {'#' .. m.pieces}
    end

    m.fields[#m.fields + 1] = 'items'
    m.fields[#m.fields + 1] = table.concat(m.text)

    if subs then
        m.fields[#m.fields + 1] = 'subs'
        m.fields[#m.fields + 1] = subs
    end

    if m.vars then
        m.fields[#m.fields + 1] = 'vars'
        m.fields[#m.fields + 1] = cjson.encode(m.values)
    end
end

local function ddm_hset(key, fields)
    for at = 1, #fields, 1000 do
        redis.call('HSET', key, unpack(fields, at,
                                       math.min(at + 999, #fields)))
    end
end

-- Names of the variables that a manifest has, sorted, "" for none; "*": more
-- than a digest is of.
local function ddm_names(m)
    local names = {}

    if m.any then
        return '*'
    end

    for name in pairs(m.names) do
        names[#names + 1] = name
    end

    table.sort(names, ddm_before)

    return table.concat(names, ',')
end

-- The digest of a manifest, where its variables are known: theirs are part of
-- it, too.
local function ddm_digest(ctx, who, digest, names)
    if names == '' then
        return digest
    end

    local text = digest .. '\n'
                 .. (names == '*' and who.all() or ddm_values(who, names))

    ddm_cost(ctx, #text / 64)

    return redis.sha1hex(text)
end

-- Remembers the token of a manifest.  "names" are those of its variables.
local function ddm_remember(T, ctx, who, digest, names, token)
    if names ~= '' then
        redis.call('SET', T .. ':db:' .. digest, 'v ' .. names, 'EX', ddm_kept)
        ctx.known[digest] = 'v ' .. names
        digest = ddm_digest(ctx, who, digest, names)
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

        digest = ddm_digest(ctx, who, digest, string.sub(known, 3))
        ddm_cost(ctx, 1)
    end

    return nil
end

-- makes a manifest that is small enough; nil: it is not
local function ddm_make(T, ctx, who, sets)
    local lists, subscribed = {}, {ddm_items_own(who.own)}

    for i, set in ipairs(sets) do
        lists[i] = ddm_members(T, set)
        subscribed[i + 1] = ddm_items_of(T, ctx, set)
        ddm_cost(ctx, #lists[i])
    end

    local items = ddm_subscribe(ctx, subscribed)
    local token = ddm_made_token(items)
    local m = ddm_empty()

    if token then
        lists[#lists + 1] = ddm_made
    end

    local keys = ddm_merge(lists)

    if ddm_put(T, ctx, who, m, keys, token) < #keys then
        return nil
    end

    ddm_end(m, token and cjson.encode(items))

    return m
end

-- keeps a manifest that was made
local function ddm_write(T, m)
    local key = T .. ':dm:' .. m.token

    if redis.call('HEXISTS', key, 'items') == 0 then
        ddm_hset(key, m.fields)
    end
end

-- Does a slice of a manifest that is too large for one script.  What was done
-- lies in T:dw:<digest of the sets>, and, where the manifest has variables, in
-- T:dw:<digest><digest of what a value may be of>: what channels share is made
-- once.  Behind it s: the sets; z: all declarations, in order; m: fields of the
-- manifest.  Redis may evict each of them, so they are counted: where one is
-- not as the last slice has left it, all of it begins anew.
-- Whoever called is called again, and finds the token when it is done.  Returns
-- true where it began anew so often that it will not come to an end.

local ddm_more

-- a script has 200 locals at most: these are gone behind it

do
    -- "<kind>/<id>" of the next declarations of a set, behind so many bytes of
    -- its text: a list, and the bytes that are done then, 0 for all.
    local function ddm_some(T, set, from, most)
        local text = redis.call('HGET', T .. ':ds', 'd:' .. set) or ''
        local list = {}

        while from < #text and #list < most do
            local last = string.find(text, '\n', from + 1, true) or #text + 1

            list[#list + 1] = string.sub(text, from + 1, last - 1)
            from = last
        end

        return list, from < #text and from or 0
    end

    -- All declarations of the sets, and the status items, which are few.  "v"
    -- has how many sets there are, and how many are done, bytes of the next one
    -- that are, status items, a line each, and how many declarations there are.
    local function ddm_collect(T, ctx, key, v)
        local sets, at, from = tonumber(v[1]), tonumber(v[2]), tonumber(v[3])

        -- each slice reads and writes the items of all before

        local most = ctx.cost + 3 * ddm_budget
        local lists, all = {{}}, tonumber(v[7])

        for item in string.gmatch(v[4], '[^\n]+') do
            table.insert(lists[1], item)
        end

        ddm_cost(ctx, #lists[1] / 2)

        for _, set in ipairs(redis.call('LRANGE', key .. 's', at, at + 49)) do
            if ctx.cost >= most then
                break
            end

            local list, args = {}, {}

            list, from = ddm_some(T, set, from, 300)

            for _, member in ipairs(list) do
                args[#args + 1] = 0
                args[#args + 1] = member
            end

            if #args > 0 then
                all = all + redis.call('ZADD', key .. 'z', unpack(args))
            end

            ddm_cost(ctx, 5 * #list + 3)

            if from == 0 then
                lists[#lists + 1] = ddm_items_of(T, ctx, set)
                ddm_cost(ctx, 4 * #lists[#lists])
                at = at + 1
            end
        end

        redis.call('HSET', key, 'at', math.min(at, sets), 'from', from,
                   'all', all, 'items',
                   table.concat(ddm_subscribe(ctx, lists), '\n'))
    end

    -- the subscription of a channel, and what is made of all
    local function ddm_collected(ctx, who, key, v)
        local items = {}

        for item in string.gmatch(v[4], '[^\n]+') do
            items[#items + 1] = item
        end

        items = ddm_subscribe(ctx, {items, ddm_items_own(who.own)})

        local all = tonumber(v[7])

        if #items > 0 then
            all = all + redis.call('ZADD', key .. 'z', 0, ddm_made[1], 0,
                                   ddm_made[2])
            redis.call('HSET', key, 'token', ddm_made_token(items), 'subs',
                       cjson.encode(items))
        end

        redis.call('HSET', key, 'at', 'end', 'all', all, 'items', '')
    end

    -- A manifest as the last slice has left it.  done: declarations that are
    local ddm_state = {'done', 'n', 'open', 'lines', 'sum', 'text', 'kind',
                       'comma', 'pieces', 'names', 'values', 'vars'}

    local function ddm_load(key)
        local v = redis.call('HMGET', key, unpack(ddm_state))
        local m = ddm_empty()

        m.at = tonumber(v[1] or '0')

        if not v[1] then
            return m
        end

        m.n, m.lines, m.sum = tonumber(v[2]), tonumber(v[4]), v[5]
        m.open, m.text = {v[3]}, {v[6]}
        m.size, m.kind, m.comma = #v[6], tonumber(v[7]), v[8]
        m.pieces = tonumber(v[9])
        m.any = v[10] == '*'
        m.values, m.vars = cjson.decode(v[11]), v[12] == '1'

        for name in string.gmatch(v[10], '[^,*]+') do
            m.names[name] = true
            m.named = m.named + 1
        end

        return m
    end

    local function ddm_save(key, m)
        ddm_hset(key .. 'm', m.fields)
        redis.call('HSET', key, 'done', m.at, 'n', m.n, 'open',
                   table.concat(m.open), 'lines', m.lines, 'sum', m.sum, 'text',
                   table.concat(m.text), 'kind', m.kind, 'comma', m.comma,
                   'pieces', m.pieces, 'names', ddm_names(m), 'values',
                   cjson.encode(m.values), 'vars', m.vars and '1' or '0')
    end

    local function ddm_finish(T, ctx, who, digest, key, m)
        local union = T .. ':dw:' .. digest
        local subs = redis.call('HMGET', union, 'subs', 'token')

        ddm_end(m, subs[2] and subs[1])

        if m.token then
            local to = T .. ':dm:' .. m.token

            if redis.call('HEXISTS', to, 'items') == 0 then
                ddm_hset(key .. 'm', m.fields)
                redis.call('RENAME', key .. 'm', to)
                redis.call('EXPIRE', to, ddm_kept)
            end
        end

        ddm_remember(T, ctx, who, digest, ddm_names(m), m.token)
        redis.call('UNLINK', key, key .. 'm')

        -- others may be at theirs, with other values

        if key == union then
            redis.call('UNLINK', key .. 's', key .. 'z')
        end
    end

    -- Something begins: has it begun too often in ten minutes?  T:ddm, which
    -- has no end and is not evicted before what has, keeps the last ones.
    local function ddm_begins(T, ctx, name)
        local now = tonumber(ctx.now)
        local others, n, since = {}, 0, string.format('%.0f', now)
        local text = redis.call('HGET', T .. ':ddm', 'begun') or ''

        for one, times, at in string.gmatch(text, '(%x+) (%d+) (%d+)') do
            local left = tonumber(at) + ddm_left_over - now

            if one == name and left > 0 and left <= ddm_left_over then
                n, since = tonumber(times), at
            elseif one ~= name then
                others[#others + 1] = one .. ' ' .. times .. ' ' .. at
            end
        end

        ddm_cost(ctx, 5)

        if n >= 10 then
            return true
        end

        if #others > 7 then
            table.remove(others, 1)
        end

        others[#others + 1] = name .. ' ' .. n + 1 .. ' ' .. since
        redis.call('HSET', T .. ':ddm', 'begun', table.concat(others, ','))

        return false
    end

    -- "names" reads the names of the sets
    function ddm_more(T, ctx, who, found, names)
        local union = T .. ':dw:' .. found.digest
        local key = union
        local v = redis.call('HMGET', union, 'sets', 'at', 'from', 'items',
                             'own', 'token', 'all')

        ctx.cost = ctx.cost or 0

        -- z is what all the rest goes by, s until z is complete

        if v[1] and (redis.call('ZCARD', union .. 'z') ~= tonumber(v[7])
                     or v[2] ~= 'end' and redis.call('LLEN', union .. 's')
                                          ~= tonumber(v[1]))
        then
            redis.call('UNLINK', union)
            v = {}
        end

        if not v[1] then
            if ddm_begins(T, ctx, found.digest) then
                return true
            end

            redis.call('UNLINK', union .. 's', union .. 'z', union .. 'm')
            names = names()

            for i = 1, #names, 1000 do
                redis.call('RPUSH', union .. 's',
                           unpack(names, i, math.min(i + 999, #names)))
            end

            redis.call('HSET', union, 'sets', #names, 'at', 0, 'from', 0,
                       'all', 0, 'items', '')

        elseif v[2] == v[1] then
            ddm_collected(ctx, who, union, v)

        elseif v[2] ~= 'end' then
            ddm_collect(T, ctx, union, v)

        else
            if v[5] then
                key = union .. redis.sha1hex(who.all())
            end

            local m = ddm_load(key)

            local gone = redis.call('HLEN', key .. 'm') ~= m.n + m.pieces

            if gone then
                redis.call('HDEL', key, unpack(ddm_state))
                redis.call('UNLINK', key .. 'm')
                m = ddm_load(key)
            end

            if m.at == 0 and (gone or key ~= union)
                and ddm_begins(T, ctx, string.match(key, '%x+$'))
            then
                return true
            end

            local keys = redis.call('ZRANGE', union .. 'z', m.at,
                                    m.at + ddm_slice)

            if #keys == 0 then
                ddm_finish(T, ctx, who, found.digest, key, m)

            else
                local done, own = ddm_put(T, ctx, v[5] and who, m, keys, v[6])

                if own then

                    -- each channel has its own from here on

                    redis.call('HSET', union, 'own', 1)
                    redis.call('UNLINK', key .. 'm')

                else
                    m.at = m.at + done
                    ddm_save(key, m)
                end
            end
        end

        for _, name in ipairs({union, union .. 's', union .. 'z', key,
                               key .. 'm'})
        do
            redis.call('EXPIRE', name, ddm_left_over)
        end

        -- nothing else is begun in this script

        ctx.cost = ctx.cost + 1000000

        return false
    end
end
