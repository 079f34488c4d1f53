-- The declarations of a channel: which they are, and how it is told that they
-- changed.  Include event, clock, queue, status and era before.
-- "ctx" is made for each script call.  It has now (Unix seconds), and uuid and
-- body of the command that tells channels; scan is 1 if only changes of the
-- replica matter.  It keeps what was read of the replica and computed, so that
-- channels with the same sets cost one manifest; cost counts the declarations
-- of all others.

local ddm_kinds = {a = 'activation', s = 'asset', c = 'configuration',
                   m = 'management'}

local function ddm_unescape(s)
    if not string.find(s, '%', 1, true) then
        return s
    end

    return (string.gsub(s, '%%(%x%x)', function(digits)
        return string.char(tonumber(digits, 16))
    end))
end

-- order by bytes: Lua's "<" depends on the locale of the server
local function ddm_before(a, b)
    for i = 1, math.min(#a, #b) do
        local x, y = string.byte(a, i), string.byte(b, i)

        if x ~= y then
            return x < y
        end
    end

    return #a < #b
end

local function ddm_open(T, ctx)
    if ctx.filters then
        return
    end

    local v = redis.call('HMGET', T .. ':ddm', 'rev', 'to', 'from', 'sets',
                         'f', 'of')

    ctx.rev = v[1]
    ctx.filters = v[5] and cjson.decode(v[5]) or {}
    ctx.filtered = next(ctx.filters) ~= nil
    ctx.defs, ctx.bases, ctx.changed, ctx.left = {}, {}, {}, {}
    ctx.from = tonumber(v[3] or '-1')

    -- a scan is under way: what it has to tell

    if v[2] and v[2] ~= v[1] then

        for _, set in ipairs(cjson.decode(v[4] or '[]')) do
            ctx.changed[set] = true
        end

        ctx.left = cjson.decode(v[6] or '{}')
    end
end

-- the replica's definition of a set, or false
local function ddm_set(T, ctx, set)
    local def = ctx.defs[set]

    if def == nil then
        def = redis.call('HGET', T .. ':dd', set)
        def = def and cjson.decode(def)
        ctx.defs[set] = def
    end

    return def
end

local function ddm_any(list, value)
    for _, one in ipairs(list) do
        if one == value
            or string.sub(one, -1) == '*'
               and string.sub(value, 1, #one - 1) == string.sub(one, 1, -2)
        then
            return true
        end
    end

    return false
end

-- what is known of a channel's device, read when it is needed
local function ddm_facts(T, who)
    if not who.facts then
        local d = redis.call('HMGET', T .. ':e:' .. who.device, 'serial',
                             'model', 'product', 'name', 'os')
        local u = redis.call('HMGET', T .. ':e:' .. who.id, 'short_name',
                             'long_name')

        who.facts = {
            serial = d[1] or '', model = d[2] or '', product = d[3] or '',
            name = d[4] or '', os = d[5] or '', short_name = u[1] or '',
            long_name = u[2] or '', enrollment_id = ddm_unescape(who.id),
            device_id = ddm_unescape(who.device)
        }
    end

    return who.facts
end

local function ddm_fits(T, filter, who)
    local list = filter.type

    if list and #list > 0 and not ddm_any(list, who.kind) then
        return false
    end

    list = filter.tag

    if list and #list > 0 then
        local found = false

        for _, tag in ipairs(who.tags) do
            found = found or ddm_any(list, tag)
        end

        if not found then
            return false
        end
    end

    list = filter.model

    if list and #list > 0 then
        local facts = ddm_facts(T, who)

        return ddm_any(list, facts.model) or ddm_any(list, facts.product)
    end

    return true
end

-- The union of sets and of a channel's own subscription, sorted: what all
-- channels with the same sets share.
local function ddm_base(T, ctx, names, own)
    local at, items, seen = {}, {}, {}
    local base = {list = {}}

    local function subscribe(list)
        for _, item in ipairs(list) do
            if not seen[item] then
                seen[item] = true
                items[#items + 1] = item
            end
        end
    end

    for _, set in ipairs(names) do
        local def = ctx.defs[set]

        for _, d in ipairs(def.d or {}) do
            local key = ddm_kinds[d[1]] .. '/' .. d[2]

            if not at[key] or def.r > at[key].rev then
                at[key] = {key = key, id = d[2], kind = d[1], token = d[3],
                           vars = d[4] ~= '' and d[4], rev = def.r}
            end
        end

        subscribe(def.s or {})
    end

    subscribe(own and cjson.decode(own) or {})

    if #items > 0 then
        table.sort(items, ddm_before)

        local id = 'ngx_mdm.status-subscriptions'
        local token = redis.sha1hex(table.concat(items, '\n'))

        at.c = {key = 'configuration/' .. id, id = id, kind = 'c',
                token = token, template = '-'}

        id = id .. '.activation'

        at.a = {key = 'activation/' .. id, id = id, kind = 'a',
                token = token, template = '-'}

        base.subs = cjson.encode(items)
    end

    for _, d in pairs(at) do
        d.head = '{"Identifier":' .. cjson.encode(ddm_unescape(d.id))
                 .. ',"ServerToken":"'
        base.list[#base.list + 1] = d
        base.vars = base.vars or d.vars
    end

    table.sort(base.list, function(a, b)
        return ddm_before(a.key, b.key)
    end)

    return base
end

-- {token (false: it is empty), tokens of the list, values of variables}
local function ddm_manifest(T, ctx, who, base)
    if base.manifest then
        return base.manifest
    end

    ctx.cost = (ctx.cost or 0) + #base.list

    local m, lines = {tokens = {}, base = base}, {}

    for i, d in ipairs(base.list) do
        local token = d.token

        if d.vars then
            m.values = m.values or {}

            for name in string.gmatch(d.vars, '[^,]+') do
                local value = who.vars[name] or ddm_facts(T, who)[name] or ''

                m.values[name] = value
                token = token .. '\n' .. name .. '=' .. value
            end

            token = redis.sha1hex(token)
        end

        m.tokens[i] = token
        lines[i] = d.key .. '\t' .. token .. '\n'
    end

    m.token = #lines > 0 and redis.sha1hex(table.concat(lines))

    if not base.vars then
        base.manifest = m
    end

    return m
end

-- the answer to declaration-items
local function ddm_items(m)
    local lists = {a = {}, s = {}, c = {}, m = {}}

    for i, d in ipairs(m.base.list) do
        local list = lists[d.kind]

        list[#list + 1] = d.head .. m.tokens[i] .. '"}'
    end

    return '{"Declarations":{"Activations":[' .. table.concat(lists.a, ',')
           .. '],"Assets":[' .. table.concat(lists.s, ',')
           .. '],"Configurations":[' .. table.concat(lists.c, ',')
           .. '],"Management":[' .. table.concat(lists.m, ',')
           .. ']},"DeclarationsToken":"' .. m.token .. '"}'
end

local function ddm_write(T, m)
    local key = T .. ':dm:' .. m.token
    local args = {'HSET', key, 'items', ddm_items(m)}

    local function put(field, value)
        args[#args + 1] = field
        args[#args + 1] = value

        if #args >= 200 then
            redis.call(unpack(args))
            args = {'HSET', key}
        end
    end

    if m.base.subs then
        put('subs', m.base.subs)
    end

    if m.values then
        put('vars', cjson.encode(m.values))
    end

    for i, d in ipairs(m.base.list) do
        put(d.key, m.tokens[i] .. ' ' .. (d.template or d.token))
    end

    if #args > 2 then
        redis.call(unpack(args))
    end
end

-- one more channel has this manifest
local function ddm_hold(T, m)
    local key = T .. ':dm:' .. m.token

    if redis.call('HINCRBY', key, 'refs', 1) > 1 then
        return
    end

    redis.call('HSET', key, 'refs', 1)

    if redis.call('HEXISTS', key, 'items') == 0 then
        ddm_write(T, m)
    end

    redis.call('PERSIST', key)
end

-- does a scan that is under way have anything for this channel?
local function ddm_touched(T, ctx, who, names, mine)
    for _, set in ipairs(names) do
        if ctx.changed[set] then
            return true
        end
    end

    for set, filter in pairs(ctx.left) do
        if not mine[set] and ddm_fits(T, filter, who) then
            return true
        end
    end

    return false
end

-- does a scan that is under way want this channel to be told?
local function ddm_wanted(T, ctx, who, names, mine, m, changed)
    if next(ctx.changed) == nil then
        return false
    end

    for _, set in ipairs(names) do
        local def = ctx.changed[set] and ctx.defs[set]

        if def and (changed and def.n > ctx.from
                    or m.token and def.x > 0 and def.x > ctx.from)
        then
            return true
        end
    end

    -- a set that the channel left because the filter changed

    for set, filter in pairs(changed and ctx.left or {}) do
        local def = not mine[set] and ddm_set(T, ctx, set)

        if def and def.n > ctx.from and ddm_fits(T, filter, who) then
            return true
        end
    end

    return false
end

-- Computes the manifest of a channel and keeps it.  Returns whether it changed,
-- its token (false: it is empty), and whether a scan wants it to be told.
local function ddm_refresh(T, id, ctx)
    ddm_open(T, ctx)
    era_enter(T, id)

    local e = T .. ':e:' .. id
    local v = redis.call('HMGET', e, 'type', 'parent', 'dt')
    local given = redis.call('HGETALL', T .. ':d:' .. id)

    if not v[1] or #given == 0 and not v[3] and not ctx.filtered then
        return false, false, false
    end

    local who = {id = id, kind = v[1], device = v[2] or id, tags = {},
                 vars = {}}
    local names, mine, own = {}, {}, nil

    for i = 1, #given, 2 do
        local what = string.sub(given[i], 1, 2)
        local rest = string.sub(given[i], 3)

        if what == 's:' then
            if ddm_set(T, ctx, rest) then
                names[#names + 1] = rest
                mine[rest] = true
            end

        elseif what == 't:' then
            who.tags[#who.tags + 1] = ddm_unescape(rest)

        elseif what == 'v:' then
            who.vars[rest] = given[i + 1]

        elseif given[i] == 'sub' then
            own = given[i + 1]
        end
    end

    for set, filter in pairs(ctx.filters) do
        if not mine[set] and ddm_fits(T, filter, who)
            and ddm_set(T, ctx, set)
        then
            names[#names + 1] = set
            mine[set] = true
        end
    end

    if ctx.scan and not ddm_touched(T, ctx, who, names, mine) then
        return false, v[3], false
    end

    if #names > 1 then
        table.sort(names)
    end

    local key = table.concat(names, ' ') .. '\n' .. (own or '')
    local base = ctx.bases[key]

    if not base then
        base = ddm_base(T, ctx, names, own)
        ctx.bases[key] = base
    end

    local m = ddm_manifest(T, ctx, who, base)
    local changed = m.token ~= v[3]
    local wanted = ddm_wanted(T, ctx, who, names, mine, m, changed)

    if not changed then
        return false, m.token, wanted
    end

    local last = redis.call('HMGET', e, 'dts', 'dm')

    if m.token then
        ddm_hold(T, m)
        redis.call('HSET', e, 'dt', m.token)
    else
        redis.call('HDEL', e, 'dt')
    end

    if v[3] then
        ddm_drop(T, v[3])
    end

    -- what was handed out can be fetched until the next manifest is

    if last[2] and last[2] == m.token then
        redis.call('HDEL', e, 'dm')

    elseif v[3] and not last[2] then
        redis.call('HSET', e, 'dm', v[3])
    end

    redis.call('HSET', e, 'dts',
               math.max(ctx.now, tonumber(last[1] or '0') + 1))

    return true, m.token, wanted
end

-- Queues the command that makes a channel ask for its declarations, unless
-- such a command waits already, or the channel has refused one.  Returns 1 if
-- it was queued, else 0.  Even a full queue takes it: there is at most one, and
-- nobody would try again.
local function ddm_notify(T, id, ctx)
    local v = redis.call('HMGET', T .. ':e:' .. id, 'enabled', 'dc',
                         'parent', 'era', 'dx')

    if v[1] ~= '1' or v[5]
        or era_before(T, v[3], v[4]) ~= 0
        or v[2] and queue_has(T, id, v[2])
        or redis.call('ZSCORE', T .. ':done:' .. id, ctx.uuid)
    then
        return 0
    end

    local key = T .. ':c:' .. ctx.uuid

    if redis.call('HINCRBY', key, 'refs', 1) == 1 then
        redis.call('HSET', key, 'body', ctx.body, 'type',
                   'DeclarativeManagement', 'ddm', 1, 'time', ctx.now)
    end

    queue_push(T, id, ctx.uuid)
    redis.call('HSET', T .. ':e:' .. id, 'dc', ctx.uuid)

    return 1
end

-- A channel can be told from now on, or has said something new of itself.
-- Returns 1 if the partition never had a replica, else 0.
local function ddm_enabled(T, id, ctx, limit, fresh)
    local changed, token, wanted = ddm_refresh(T, id, ctx)

    -- one that enrolled again may have kept what it had

    if (changed or wanted
        or fresh and (token
                      or redis.call('HEXISTS', T .. ':e:' .. id, 'dts') == 1))
        and ddm_notify(T, id, ctx) == 1
    then
        event(T, limit, 'mdm.DeclarationsChanged', id,
              {command_uuid = ctx.uuid})
    end

    return ctx.rev and 0 or 1
end

-- A channel starts anew, or is gone.  What was assigned to it stays.
local function ddm_forget(T, id)
    local e = T .. ':e:' .. id
    local token = redis.call('HGET', e, 'dt')

    if token then
        ddm_drop(T, token)
    end

    redis.call('HDEL', e, 'dt', 'dm', 'dc', 'dx', 'dk')
    status_forget(T, id)
end
