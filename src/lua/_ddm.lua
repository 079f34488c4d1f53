-- The declarations of a channel: which they are, and how it is told that they
-- changed.  Include event, clock, queue, status and era before.
-- "ctx" is made for each script call.  It has now (Unix seconds), and uuid and
-- body of the command that tells channels; scan is 1 if only changes of the
-- replica matter; quiet: who changes something does not want it to be told.

-- Work of a script, in steps of about a microsecond: what is begun below this
-- is done, then the script ends.
local ddm_budget = 500

--@include ddm_replica
--@include ddm_manifest

-- fields of an enrollment: what is known of a device, and what a plan goes by,
-- and who is told of it
local ddm_fields = {
    known = {'serial', 'model', 'product', 'name', 'os'},
    plan = {'type', 'parent', 'dt', 'db', 'era', 'dts', 'dm', 'enabled', 'dc',
            'dx', 'q'}
}

-- References of keys, and of a script that comes to many channels (ctx.many: at
-- most so many) with few calls: it takes as many as it may need when it needs
-- the first one, and gives back what is left.  A script that fails leaves some
-- too many, never too few.
local ddm_refs = {}

-- one more; is it the first one?
function ddm_refs.take(ctx, key)
    local n = ctx.many

    if not n then
        return redis.call('HINCRBY', key, 'refs', 1) <= 1
    end

    local taken = ctx.taken or {}

    ctx.taken = taken

    if (taken[key] or 0) > 0 then
        taken[key] = taken[key] - 1
        return false
    end

    taken[key] = n - 1

    return redis.call('HINCRBY', key, 'refs', n) <= n
end

function ddm_refs.drop(T, ctx, token)
    if not ctx.many then
        ddm_drop(T, token)
        return
    end

    ctx.dropped = ctx.dropped or {}
    ctx.dropped[token] = (ctx.dropped[token] or 0) + 1
end

function ddm_refs.settle(T, ctx)
    for key, n in pairs(ctx.taken or {}) do
        if n > 0 then
            redis.call('HINCRBY', key, 'refs', -n)
        end
    end

    for token, n in pairs(ctx.dropped or {}) do
        ddm_drop(T, token, n)
    end
end

-- A channel, as filters and variables see it.  "v" has type and parent; given:
-- what was assigned to it: field, value, …
local function ddm_who(T, id, v, given)
    local who = {id = id, kind = v[1], device = v[2] or id, tags = {}}
    local vars, facts = {}, nil

    for i = 1, #given, 2 do
        if string.sub(given[i], 1, 2) == 'v:' then
            vars[string.sub(given[i], 3)] = given[i + 1]
        elseif given[i] == 'sub' then
            who.own = given[i + 1]
        end
    end

    local function known()
        if not facts then
            local d = redis.call('HMGET', T .. ':e:' .. who.device,
                                 unpack(ddm_fields.known))
            local u = redis.call('HMGET', T .. ':e:' .. id, 'short_name',
                                 'long_name')

            facts = {short_name = u[1] or '', long_name = u[2] or '',
                     enrollment_id = ddm_unescape(id),
                     device_id = ddm_unescape(who.device)}

            for i, name in ipairs(ddm_fields.known) do
                facts[name] = d[i] or ''
            end
        end

        return facts
    end

    function who.models()
        return {known().model, known().product}
    end

    function who.value(name)
        return vars[name] or known()[name] or ''
    end

    -- all that a value may be of

    function who.all()
        local text = {}

        for i = 1, #given, 2 do
            if string.sub(given[i], 1, 2) == 'v:' then
                text[#text + 1] = ddm_said(given[i], given[i + 1])
            end
        end

        table.sort(text)

        for _, name in ipairs({'serial', 'model', 'product', 'name', 'os',
                               'short_name', 'long_name'})
        do
            text[#text + 1] = ddm_said(name, known()[name])
        end

        return id .. '\n' .. table.concat(text, '\n')
    end

    return who
end

-- the names of the sets whose filters fit a channel: {[name] = true}
local function ddm_filter_sets(T, id, kind, device)
    local ctx, names, given = {}, {}, {}

    for _, field in ipairs(redis.call('HKEYS', T .. ':d:' .. id)) do
        if string.sub(field, 1, 2) == 't:' then
            given[#given + 1] = field
            given[#given + 1] = '1'
        end
    end

    ddm_open(T, ctx)

    local who = ddm_who(T, id, {kind, device}, given)

    for _, name in ipairs(ddm_sets_of(T, ctx, who, given, true).names) do
        names[name] = true
    end

    return names
end

-- What the manifest of a channel is by now.  Writes nothing but slices of one
-- that is large.  nil: there is nothing to say of the channel.  Else "more":
-- call again, and where ctx.half is set, bring the copy what it lacks before;
-- with "lost" (ctx.lost) that is of no use, since Redis evicts what was made;
-- dt: its token until now; token: that of the manifest (false: it is empty),
-- digest, and m, where it was made just now.
-- given: what it was assigned, field, value, …, where that is not in T:d:<id>
-- yet
local function ddm_plan(T, id, ctx, given)
    ddm_open(T, ctx)

    -- a copy that begins anew has few sets by now, another one what is old and
    -- what is new

    if ctx.half then
        return {more = true}
    end

    -- a scan is many channels, so each is read once and written once

    local e = T .. ':e:' .. id
    local v = redis.call('HMGET', e, unpack(ddm_fields.plan))

    if era_before(T, v[2], v[5]) ~= 0 then
        era_enter(T, id)
        v = redis.call('HMGET', e, unpack(ddm_fields.plan))
    end

    ddm_filters(T, ctx)
    ddm_cost(ctx, 12)

    given = given or redis.call('HGETALL', T .. ':d:' .. id)
    ddm_cost(ctx, #given / 2)

    if not v[1] or #given == 0 and not v[3] and not ctx.any then
        return nil
    end

    local who = ddm_who(T, id, v, given)
    local found = ddm_sets_of(T, ctx, who, given)
    local plan = {dt = v[3], db = v[4], digest = found.digest, found = found,
                  token = false, who = who, e = v}

    if not found.digest then
        return plan
    end

    -- neither what it was given nor what is known of it changes in a scan

    if ctx.scan and found.digest == v[4] then
        plan.token = v[3]
        return plan
    end

    local token = ddm_known(T, ctx, who, found.digest)

    if token then
        plan.token = token ~= '' and token
        return plan
    end

    local function names()
        return found.names or ddm_sets_of(T, ctx, who, given, true).names
    end

    plan.m = found.count + found.sets <= ddm_slice
             and ddm_make(T, ctx, who, names())

    if plan.m then
        plan.token = plan.m.token
    else
        plan.lost = ddm_more(T, ctx, who, found, names)
        plan.more = true
        ctx.lost = plan.lost
    end

    return plan
end

-- Is this channel to be told, though who changes something does not say so?
local function ddm_wanted(T, ctx, plan, changed)
    local found = plan.found

    -- by a scan that is under way; left: sets that it may have had until their
    -- filters changed

    if ctx.scanning
        and (changed and (found.n > ctx.from or ctx.left)
             or plan.token and found.x > 0 and found.x > ctx.from)
    then
        return true
    end

    -- by ddm_facts, which has still to come to it, and finds nothing changed

    return changed and (ctx.scan == 1 or ctx.quiet)
           and redis.call('HEXISTS', T .. ':e:' .. plan.who.device, 'df') == 1
end

-- Keeps what was planned for a channel.  Returns whether its manifest changed,
-- its token (false: it is empty), and whether it is to be told all the same.
local function ddm_commit(T, id, ctx, plan)
    if not plan then
        return false, false, false
    end

    local e = T .. ':e:' .. id
    local m, token = plan.m, plan.token
    local changed = token ~= plan.dt
    local wanted = ddm_wanted(T, ctx, plan, changed)

    if m then
        if token then
            ddm_write(T, m)

            if redis.call('HEXISTS', T .. ':dm:' .. token, 'refs') == 0 then
                redis.call('EXPIRE', T .. ':dm:' .. token, ddm_kept)
            end
        end

        ddm_remember(T, ctx, plan.who, plan.digest, ddm_names(m),
                     token)
    end

    local set, unset = {}, {}

    local function keep(field, value)
        if value then
            set[#set + 1] = field
            set[#set + 1] = value
        else
            unset[#unset + 1] = field
        end
    end

    if (plan.digest or false) ~= plan.db then
        keep('db', plan.digest)
    end

    if changed then
        local dts, dm = plan.e[6], plan.e[7]

        ddm_cost(ctx, 6)

        if token then
            local key = T .. ':dm:' .. token

            if ddm_refs.take(ctx, key) then
                redis.call('HSET', key, 'refs', ctx.many or 1)
                redis.call('PERSIST', key)
            end
        end

        if plan.dt then
            ddm_refs.drop(T, ctx, plan.dt)
        end

        keep('dt', token)

        -- what was handed out can be fetched until the next manifest is

        if dm and dm == token then
            keep('dm', nil)

        elseif plan.dt and not dm then
            keep('dm', plan.dt)
        end

        -- as text, which many have: numbers are dear

        dts = tonumber(dts or '0') + 1
        ctx.dts = ctx.dts or string.format('%.0f', ctx.now)
        keep('dts', dts > ctx.now and string.format('%.0f', dts) or ctx.dts)
    end

    if #set > 0 then
        redis.call('HSET', e, unpack(set))
    end

    if #unset > 0 then
        redis.call('HDEL', e, unpack(unset))
    end

    return changed, token, wanted
end

-- Queues the command that makes a channel ask for its declarations, unless
-- such a command waits already, or the channel has refused one.  Returns 1 if
-- it was queued, else 0.  Even a full queue takes it: there is at most one, and
-- nobody would try again.  plan: of this script, if there is one.
local function ddm_notify(T, id, ctx, plan)
    local v = plan and plan.e
              or redis.call('HMGET', T .. ':e:' .. id, unpack(ddm_fields.plan))

    if v[8] ~= '1' or v[10]
        or era_before(T, v[2], v[5]) ~= 0
        or v[9] and queue_has(T, id, v[9])
        or redis.call('ZSCORE', T .. ':done:' .. id, ctx.uuid)
    then
        return 0
    end

    local key = T .. ':c:' .. ctx.uuid

    if ddm_refs.take(ctx, key) then
        redis.call('HSET', key, 'body', ctx.body, 'type',
                   'DeclarativeManagement', 'ddm', 1, 'time', ctx.now)
    end

    queue_push(T, id, ctx.uuid, v[11] or '', 'dc')
    ddm_cost(ctx, 10)

    return 1
end

-- A channel can be told from now on ("fresh"), or has said something new of
-- itself.  Returns 1 if it is to be called again, else 0.
local function ddm_enabled(T, id, ctx, limit, fresh)
    local plan = ddm_plan(T, id, ctx)

    if plan and plan.more then
        return 1
    end

    local changed, token, wanted = ddm_commit(T, id, ctx, plan)

    -- one that enrolled again may have kept what it had

    if (changed or wanted
        or fresh and (token
                      or redis.call('HEXISTS', T .. ':e:' .. id, 'dts') == 1))
        and ddm_notify(T, id, ctx, plan) == 1
    then
        event(T, limit, 'mdm.DeclarationsChanged', id,
              {command_uuid = ctx.uuid})
    end

    return 0
end

-- A channel starts anew, or is gone.  What was assigned to it stays.
local function ddm_forget(T, id)
    local e = T .. ':e:' .. id
    local token = redis.call('HGET', e, 'dt')

    if token then
        ddm_drop(T, token)
    end

    redis.call('HDEL', e, 'dt', 'db', 'dm', 'dc', 'dx', 'dk')
    status_forget(T, id)
end
