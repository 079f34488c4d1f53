--@args since upto last reset watchers rows...
--@returns code cursor
--@row rows what name numbers text members
-- Takes a page of changes into the copy of a partition; ddm_scan carries them
-- to the channels.
-- since: revision up to which the copy has had pages (0: none); upto, last,
-- watchers, rows: as ddm_changes answered, but "<kind>/<id>" of a set are
-- sorted by bytes, and status items by name; reset: 1: the tenant has lost
-- revisions that the copy has, so that it begins anew
-- {1, upto}; {0, revision}: the copy has had pages up to another one, which
-- the next page is to begin at
local T = KEYS[1]
local key = T .. ':ddm'
local v = redis.call('HMGET', key, 'rev', 'to', 'in', 'after')
local cursor = tonumber(v[3] or v[2] or '0')

if cursor ~= tonumber(since) then
    return {0, cursor}
end

if reset == '1' then
    redis.call('UNLINK', T .. ':dd', T .. ':ds', T .. ':dk', T .. ':df')
    redis.call('HDEL', key, 'rev', 'to', 'in', 'after', 'stop', 'turn',
               'left')
    redis.call('HINCRBY', key, 'gen', 1)
    v = {}
end

local rows = {d = {}, m = {}, s = {}}

for i = rows_at, #ARGV - 4, 5 do
    local list = rows[ARGV[i]]

    list[#list + 1] = i
end

-- calls with many arguments, a bit at a time
local function batch(command, hash, args)
    for at = 1, #args, 1000 do
        redis.call(command, hash,
                   unpack(args, at, math.min(at + 999, #args)))
    end
end

-- declarations

local put, gone = {}, {}

for _, i in ipairs(rows.d) do
    local id, text, vars = ARGV[i + 1], ARGV[i + 3], ARGV[i + 4]

    if text == '' then
        for _, kind in ipairs({'activation/', 'asset/', 'configuration/',
                               'management/'})
        do
            gone[#gone + 1] = kind .. id
        end

    else
        local kind, token = string.match(text, '^(%S+) (%S+)$')

        put[#put + 1] = kind .. id
        put[#put + 1] = token .. (vars ~= '' and ' ' .. vars or '')
    end
end

batch('HDEL', T .. ':dk', gone)
batch('HSET', T .. ':dk', put)

-- sets: what is kept of each, see ddm_def()

local sets, names = {}, {}

local function known(i)
    local name = ARGV[i + 1]

    if not sets[name] then
        sets[name] = {}
        names[#names + 1] = name
    end
end

for _, i in ipairs(rows.s) do
    known(i)
end

for _, i in ipairs(rows.m) do
    known(i)
end

for at = 1, #names, 1000 do
    local last = math.min(at + 999, #names)
    local old = redis.call('HMGET', T .. ':dd', unpack(names, at, last))

    for i = at, last do
        local set = sets[names[i]]

        for word in string.gmatch(old[i - at + 1] or '', '%d+') do
            set[#set + 1] = word
        end
    end
end

local count = redis.call('HLEN', T .. ':dd') / 2

put = {}

for _, name in ipairs(names) do
    local set = sets[name]

    if #set == 0 then
        set[1], set[2], set[3], set[4], set[5] = count, 0, 0, 0, 0
        put[#put + 1] = '#' .. count
        put[#put + 1] = name
        count = count + 1
    end
end

for _, i in ipairs(rows.s) do
    local set = sets[ARGV[i + 1]]

    set[2], set[3], set[4] = string.match(ARGV[i + 2],
                                          '^(%d+) (%d+) (%d+)$')
end

-- The index of filters, see ddm_filters(): each change of a bit is looked up
-- once, and written once.

local lists = {'type', 'tag', 'model'}
local bits, changes = {}, {}

local function set_bit(field, i, on)
    if not bits[field] then
        bits[field] = redis.call('HGET', T .. ':df', field) or ''
        changes[#changes + 1] = field
    end

    local text = bits[field]
    local at = math.floor(i / 8)
    local byte, mask = 0, bit.lshift(1, i % 8)

    text = text .. string.rep('\0', at + 1 - #text)
    byte = string.byte(text, at + 1)
    byte = on and bit.bor(byte, mask) or bit.band(byte, bit.bnot(mask))
    text = string.sub(text, 1, at) .. string.char(byte)
           .. string.sub(text, at + 2)
    bits[field] = text
end

-- without the zero bytes at its end
local function trimmed(text)
    local n = #text

    while n > 0 and string.byte(text, n) == 0 do
        n = n - 1
    end

    return string.sub(text, 1, n)
end

local function index(filter, i, on)
    set_bit('any', i, on)

    for _, list in ipairs(lists) do
        local values = filter[list] or {}

        if #values > 0 then
            set_bit(list, i, on)
        end

        for _, value in ipairs(values) do
            if string.sub(value, -1) ~= '*' then
                set_bit(list .. ':' .. value, i, on)

            else
                local field, length = list .. '#', #value - 1

                set_bit(list .. '*' .. string.sub(value, 1, -2), i, on)

                if on and not bits[field] then
                    bits[field] = redis.call('HGET', T .. ':df', field) or ''
                    changes[#changes + 1] = field
                end

                if on and not string.find(bits[field], ' ' .. length .. ' ', 1,
                                          true)
                then
                    bits[field] = bits[field] .. ' ' .. length .. ' '
                end
            end
        end
    end
end

-- what sets say

local left = -1

for _, i in ipairs(rows.m) do
    local name = ARGV[i + 1]
    local set = sets[name]
    local rev, n = string.match(ARGV[i + 2], '^(%d+) (%d+)$')
    local filter, subs = string.match(ARGV[i + 3], '^(.-)\n(.*)$')
    local old = redis.call('HGET', T .. ':ds', 'f:' .. name) or ''
    local _, lines = string.gsub(ARGV[i + 4], '\n', '')
    local _, quotes = string.gsub(subs, '"', '')

    set[5] = (ARGV[i + 4] ~= '' and lines + 1 or 0) + math.ceil(quotes / 2)

    -- channels that it loses can be told only because of it

    if old ~= '' and old ~= filter and tonumber(n) >= tonumber(rev) then
        left = math.max(left, tonumber(n))
    end

    if old ~= filter then
        if old ~= '' then
            index(cjson.decode(old), tonumber(set[1]), false)
        end

        if filter ~= '' then
            index(cjson.decode(filter), tonumber(set[1]), true)
        end
    end

    local fields = {['f:' .. name] = filter, ['s:' .. name] = subs,
                    ['d:' .. name] = ARGV[i + 4]}

    for field, value in pairs(fields) do
        if value ~= '' then
            redis.call('HSET', T .. ':ds', field, value)
        else
            redis.call('HDEL', T .. ':ds', field)
        end
    end
end

for _, name in ipairs(names) do
    put[#put + 1] = name
    put[#put + 1] = table.concat(sets[name], ' ')
end

batch('HSET', T .. ':dd', put)

for _, field in ipairs(changes) do
    local text = trimmed(bits[field])

    if text ~= '' then
        redis.call('HSET', T .. ':df', field, text)
    else
        redis.call('HDEL', T .. ':df', field)
    end
end

-- how far it is

if watchers ~= '' then
    redis.call('HSET', key, 'w', watchers)
end

if left >= 0 then
    local old = tonumber(redis.call('HGET', key, 'left') or '-1')

    redis.call('HSET', key, 'left', math.max(left, old))
end

if last ~= '1' then
    redis.call('HSET', key, 'in', upto)

    return {1, tonumber(upto)}
end

redis.call('HSET', key, 'to', upto)
redis.call('HDEL', key, 'in')

if #names == 0 and not v[3] then

    -- nothing that a channel could see

    if v[1] == v[2] and reset ~= '1' then
        redis.call('HSET', key, 'rev', upto)
        redis.call('HDEL', key, 'left')
    end

else

    -- a scan that is under way goes on, and around to where it is now; one that
    -- is at the start, for the second time perhaps, has all before it

    if v[4] then
        redis.call('HSET', key, 'stop', v[4])
    else
        redis.call('HDEL', key, 'stop')
    end

    redis.call('HDEL', key, 'turn')
end

return {1, tonumber(upto)}
