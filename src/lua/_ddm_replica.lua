-- The partition's copy of a tenant's sets, as scripts read it.
-- "ctx" is made for each script call: it keeps what was read and computed, so
-- that what channels share is read once; ctx.cost counts work, see ddm_budget.

local function ddm_unescape(s)
    if not string.find(s, '%', 1, true) then
        return s
    end

    return (string.gsub(s, '%%(%x%x)', function(digits)
        return string.char(tonumber(digits, 16))
    end))
end

local function ddm_cost(ctx, n)
    ctx.cost = (ctx.cost or 0) + n
end

local function ddm_open(T, ctx)
    if ctx.defs then
        return
    end

    local v = redis.call('HMGET', T .. ':ddm', 'rev', 'to', 'in', 'gen',
                         'left')

    ctx.rev, ctx.to = v[1], v[2]
    ctx.from = tonumber(v[1] or '-1')
    ctx.defs, ctx.names, ctx.memo, ctx.posts = {}, {}, {}, {}

    -- what a digest of sets stands for: between two pages of changes the same
    -- revisions may be of another state

    ctx.state = (v[4] or '0') .. ' ' .. (v[3] or '')

    -- a scan is under way, and sets have lost channels that are to be told

    ctx.scanning = v[3] or v[2] ~= v[1]
    ctx.left = ctx.scanning and tonumber(v[5] or '-1') > ctx.from
end

-- A set of the copy, or false: {i: its number, r: revision of its last change,
-- n, x: of the last one to be told of, and of the last POST /v1/notify, c: how
-- many declarations it has}
local function ddm_def(ctx, set, row)
    local def = false

    if row then
        local i, r, n, x, c = string.match(row, '^(%d+) (%d+) (%d+) (%d+) '
                                                .. '(%d+)$')

        def = {i = tonumber(i), r = r, n = tonumber(n), x = tonumber(x),
               c = tonumber(c), name = set}
    end

    ctx.defs[set] = def

    return def
end

-- reads those sets of a list that were not read yet
local function ddm_read_sets(T, ctx, sets)
    local names = {}

    for _, set in ipairs(sets) do
        if ctx.defs[set] == nil then
            names[#names + 1] = set
        end
    end

    for at = 1, #names, 1000 do
        local last = math.min(at + 999, #names)
        local rows = redis.call('HMGET', T .. ':dd', unpack(names, at, last))

        for i = at, last do
            ddm_def(ctx, names[i], rows[i - at + 1])
        end
    end

    ddm_cost(ctx, #names)
end

-- Filters lie in T:df, each string of them with the sets that have it, as a
-- string of bits by the numbers of sets: a channel is looked up, however many
-- sets there are.  "<list>" has the sets with such a list, "<list>:<string>"
-- those with the string, "<list>*<prefix>" those with the prefix; "<list>#":
-- the lengths of prefixes; "any": all sets with a filter.
local ddm_lists = {'type', 'tag', 'model'}

local function ddm_filters(T, ctx)
    if ctx.filters then
        return
    end

    ctx.filters = {}

    local v = redis.call('HMGET', T .. ':df', 'any', 'type', 'tag', 'model',
                         'type#', 'tag#', 'model#')

    ctx.any = v[1] and v[1] ~= '' and {string.byte(v[1], 1, -1)}

    for i, list in ipairs(ddm_lists) do
        local lengths = {}

        for length in string.gmatch(v[i + 4] or '', '%d+') do
            lengths[#lengths + 1] = tonumber(length)
        end

        ctx.filters[list] = v[i + 1] and v[i + 1] ~= ''
                            and {bits = {string.byte(v[i + 1], 1, -1)},
                                 lengths = lengths}
    end
end

-- the bits of all sets whose list has one of the values, or that have no list
local function ddm_match(T, ctx, list, values)
    local filter = ctx.filters[list]
    local bits, fields = {}, {}

    for i in ipairs(ctx.any) do
        bits[i] = bit.bxor(filter and filter.bits[i] or 0, 255)
    end

    if not filter then
        return bits
    end

    for _, value in ipairs(values) do
        fields[#fields + 1] = list .. ':' .. value

        for _, length in ipairs(filter.lengths) do
            if length <= #value then
                fields[#fields + 1] = list .. '*'
                                      .. string.sub(value, 1, length)
            end
        end
    end

    local unread = {}

    for _, field in ipairs(fields) do
        if ctx.posts[field] == nil then
            ctx.posts[field] = false
            unread[#unread + 1] = field
        end
    end

    for at = 1, #unread, 1000 do
        local last = math.min(at + 999, #unread)
        local found = redis.call('HMGET', T .. ':df',
                                 unpack(unread, at, last))

        for i = at, last do
            local post = found[i - at + 1]

            ctx.posts[unread[i]] = post and {string.byte(post, 1, -1)}
        end
    end

    ddm_cost(ctx, #fields / 4)

    for _, field in ipairs(fields) do
        local post = ctx.posts[field]

        if post then
            ddm_cost(ctx, #post / 8)
        end

        for i, byte in ipairs(post or {}) do
            bits[i] = bit.bor(bits[i] or 0, byte)
        end
    end

    return bits
end

-- the numbers of sets whose filters fit: {[number] = true}
local function ddm_fit(T, ctx, who)
    local numbers = {}

    ddm_filters(T, ctx)

    if not ctx.any then
        return numbers
    end

    local model = ctx.filters.model and who.models() or {}
    local a = ddm_match(T, ctx, 'type', {who.kind})
    local b = ddm_match(T, ctx, 'tag', who.tags)
    local c = ddm_match(T, ctx, 'model', model)

    for i, byte in ipairs(ctx.any) do
        byte = bit.band(byte, a[i], b[i], c[i])

        for k = 0, byte ~= 0 and 7 or -1 do
            if bit.band(byte, bit.lshift(1, k)) ~= 0 then
                numbers[(i - 1) * 8 + k] = true
            end
        end
    end

    ddm_cost(ctx, #ctx.any / 8)

    return numbers
end

-- The sets of a channel in the order of their numbers, and what follows from
-- them alone: {sets, digest (nil: there are none), n and x: the greatest,
-- count: of declarations, more than there are where sets share some}
local function ddm_sets_of(T, ctx, who, given)
    local names, key = {}, {who.kind}

    ddm_filters(T, ctx)

    for i = 1, #given, 2 do
        local what = string.sub(given[i], 1, 2)

        if what == 's:' or what == 't:' then
            key[#key + 1] = given[i]
        elseif given[i] == 'sub' then
            key[#key + 1] = given[i + 1]
        end

        if what == 's:' then
            names[#names + 1] = string.sub(given[i], 3)
        elseif what == 't:' then
            who.tags[#who.tags + 1] = ddm_unescape(string.sub(given[i], 3))
        end
    end

    for _, model in ipairs(ctx.filters.model and who.models() or {}) do
        key[#key + 1] = model
    end

    key = table.concat(key, '\n')

    if ctx.memo[key] then
        return ctx.memo[key]
    end

    local numbers = ddm_fit(T, ctx, who)
    local unknown, fields = {}, {}

    for i in pairs(numbers) do
        if not ctx.names[i] then
            unknown[#unknown + 1] = i
            fields[#fields + 1] = '#' .. i
        end
    end

    for at = 1, #unknown, 1000 do
        local last = math.min(at + 999, #unknown)
        local found = redis.call('HMGET', T .. ':dd', unpack(fields, at, last))

        for i = at, last do
            ctx.names[unknown[i]] = found[i - at + 1]
        end
    end

    for i in pairs(numbers) do
        names[#names + 1] = ctx.names[i]
    end

    ddm_read_sets(T, ctx, names)

    local found = {sets = {}, n = 0, x = 0, count = 0}
    local seen = {}

    for _, name in ipairs(names) do
        local def = ctx.defs[name]

        if def and not seen[def.i] then
            seen[def.i] = true
            found.sets[#found.sets + 1] = def
            found.n = math.max(found.n, def.n)
            found.x = math.max(found.x, def.x)
            found.count = found.count + def.c
        end
    end

    table.sort(found.sets, function(p, q)
        return p.i < q.i
    end)

    ddm_cost(ctx, 2 * #found.sets)

    if #found.sets > 0 or who.own then
        local revisions = {}

        for i, def in ipairs(found.sets) do
            revisions[i] = def.i .. ':' .. def.r
        end

        found.digest = redis.sha1hex(ctx.state .. '\n'
                                     .. table.concat(revisions, ' ') .. '\n'
                                     .. (who.own or ''))
    end

    ctx.memo[key] = found

    return found
end
