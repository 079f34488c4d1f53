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

-- A value as part of a text that a digest is of: one with line ends must not
-- look like several, so it has its length before it.
local function ddm_said(name, value)
    return string.find(value, '\n', 1, true)
           and name .. ':' .. #value .. '=' .. value
           or name .. '=' .. value
end

local function ddm_open(T, ctx)
    if ctx.rows then
        return
    end

    local v = redis.call('HMGET', T .. ':ddm', 'rev', 'to', 'in', 'gen',
                         'left')

    ctx.rev, ctx.to = v[1], v[2]

    -- a set has 0 where none of its changes was to be told of; what a copy that
    -- began anew has forgotten may be

    ctx.from = tonumber(v[1] or v[4] and '-1' or '0')
    ctx.rows, ctx.names, ctx.memo, ctx.posts = {}, {}, {}, {}

    -- what a digest of sets stands for: between two pages of changes the same
    -- revisions may be of another state

    ctx.state = (v[4] or '0') .. ' ' .. (v[3] or '')

    -- some pages of what changed have come, which is no state of the tenant

    ctx.half = v[3]

    -- a scan is under way, and sets have lost channels that are to be told

    ctx.scanning = v[3] or v[2] ~= v[1]
    ctx.left = ctx.scanning and tonumber(v[5] or '-1') > ctx.from
end

-- Reads those sets that were not read yet, by their numbers: ctx.names, and
-- ctx.rows: number, revision of its last change, of the last one to be told
-- of, of the last POST /v1/notify, declarations and status items that it has,
-- with blanks between them.
local function ddm_read_sets(T, ctx, numbers)
    local unread, names = {}, {}

    for _, i in ipairs(numbers) do
        if not ctx.rows[i] then
            unread[#unread + 1] = i
        end
    end

    for at = 1, #unread, 1000 do
        local last = math.min(at + 999, #unread)
        local fields = {}

        for k = at, last do
            fields[#fields + 1] = '#' .. unread[k]
        end

        names = redis.call('HMGET', T .. ':dd', unpack(fields))

        for k, name in ipairs(names) do
            names[k] = name or ''
            ctx.names[unread[at + k - 1]] = names[k]
        end

        for k, row in ipairs(redis.call('HMGET', T .. ':dd', unpack(names))) do
            ctx.rows[unread[at + k - 1]] = row or ''
        end
    end

    ddm_cost(ctx, 2 * #unread)
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

-- how many sets are so many that what follows from them is kept, and how long
local ddm_many, ddm_found = 100, 600

-- The sets of a channel, and what follows from them alone: {digest (nil: there
-- are none), n and x: the greatest revision of a last change to be told of, and
-- of a last POST /v1/notify, count: of declarations and status items, more than
-- there are where sets share some, sets: how many, names: of them in the order
-- of their numbers}.  Where "names" is false they may be missing.
local function ddm_sets_of(T, ctx, who, given, names)
    local named, key = {}, {ctx.state, ctx.to or '', who.kind}

    ddm_filters(T, ctx)

    for i = 1, #given, 2 do
        local what = string.sub(given[i], 1, 2)

        if what == 's:' or what == 't:' then
            key[#key + 1] = given[i]
        elseif given[i] == 'sub' then
            key[#key + 1] = given[i + 1]
        end

        if what == 's:' then
            named[#named + 1] = string.sub(given[i], 3)
        elseif what == 't:' then
            who.tags[#who.tags + 1] = ddm_unescape(string.sub(given[i], 3))
        end
    end

    for _, model in ipairs(ctx.filters.model and who.models() or {}) do
        key[#key + 1] = ddm_said('model', model)
    end

    key = table.concat(key, '\n')

    local found = ctx.memo[key]

    if found and (found.names or not names) then
        return found
    end

    local kept = T .. ':dc:' .. redis.sha1hex(key)

    ddm_cost(ctx, #key / 64 + 1)

    if ctx.any and not names then
        local digest, n, x, count, sets =
            string.match(redis.call('GET', kept) or '',
                         '^(%x+) (%d+) (%d+) (%d+) (%d+)$')

        if digest then
            found = {digest = digest, n = tonumber(n), x = tonumber(x),
                     count = tonumber(count), sets = tonumber(sets)}
            ctx.memo[key] = found

            return found
        end
    end

    -- by number, so that it does not matter how a channel came to them

    local fits, list, rows = ddm_fit(T, ctx, who), {}, {}
    local most = ctx.any and #ctx.any * 8 or 0

    for at = 1, #named, 1000 do
        for _, row in ipairs(redis.call('HMGET', T .. ':dd',
                                        unpack(named, at, math.min(at + 999,
                                                                   #named))))
        do
            local i = row and tonumber(string.match(row, '^%d+'))

            if i then
                fits[i] = true
                most = math.max(most, i)
            end
        end
    end

    for i = 0, most do
        if fits[i] then
            list[#list + 1] = i
        end
    end

    ddm_read_sets(T, ctx, list)
    found = {n = 0, x = 0, count = 0, sets = 0, names = {}}

    for _, i in ipairs(list) do
        if ctx.rows[i] ~= '' then
            rows[#rows + 1] = ctx.rows[i]
            found.names[#rows] = ctx.names[i]
        end
    end

    found.sets = #rows
    rows = table.concat(rows, '\n')

    for n, x, count in string.gmatch(rows, '%d+ %d+ (%d+) (%d+) (%d+)') do
        n, x = tonumber(n), tonumber(x)
        found.n = n > found.n and n or found.n
        found.x = x > found.x and x or found.x
        found.count = found.count + count
    end

    ddm_cost(ctx, 2 * found.sets)

    if found.sets > 0 or who.own then
        found.digest = redis.sha1hex(ctx.state .. '\n' .. rows .. '\n'
                                     .. (who.own or ''))
    end

    if found.sets > ddm_many then
        redis.call('SET', kept, found.digest
                   .. string.format(' %.0f %.0f %.0f %d', found.n, found.x,
                                    found.count, found.sets),
                   'EX', ddm_found)
    end

    ctx.memo[key] = found

    return found
end
