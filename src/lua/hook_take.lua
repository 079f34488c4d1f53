--@args name runner lease keep most bytes payload force consumers...
--@returns code wait attempts age body rows
--@row rows entry shown event id data raw params type parent body z lost
-- Leases what comes next of a stream to a sender of a webhook.  As it writes
-- behind the entries, replicas that confirm it have them: one that a failover
-- takes back would come again under another name.
-- lease: ms; keep: entries, the limit; most: entries, bytes: of them and of
-- results; payload: 1: messages are wanted, 2: results, too; force: 1: also if
-- its last attempt was a moment ago; consumers: name, where it begins, … of all
-- that are configured
-- {1, 0, attempts of the first one, ms since the first of them, those whose
-- answer was that the body is the trouble, rows}, a row: type, parent: of the
-- enrollment; body: the result as it is kept, z: 1: it is compressed; lost: 1:
-- it is not there any more; {0}: there is none; {2, ms}: another one sends;
-- {3, ms}: the next attempt is due then
--@include outbox
local T = KEYS[1]
local out, stream = T .. ':out', T .. ':events'

if redis.call('EXISTS', stream) == 0 then
    return {0}
end

local now = outbox_now()

outbox_begin(T)
outbox_register(T, now, consumers_at)
outbox_keep(T, keep)

local v = redis.call('HMGET', out, 'h:' .. name, 'l:' .. name, 'f:' .. name)
local place = string.match(v[1] or '', '^%S+') or '0-0'

if v[2] then
    local who, till = string.match(v[2], '^(%S+) (%d+)$')

    till = tonumber(till)

    if who ~= runner and till > now and till - now <= 700000 then
        return {2, till - now}
    end
end

local attempts, first, next, which, refused = outbox_failed(v[3])

if attempts and force ~= '1' and next > now and next - now <= 3600000 then
    return {3, next - now}
end

local list = outbox_range(stream, '(' .. place, '+', tonumber(most),
                          tonumber(bytes))

if #list == 0 then
    redis.call('HDEL', out, 'l:' .. name)
    return {0}
end

if which ~= list[1][1] then
    attempts, first, refused = 0, now, 0
end

local rows, room, known = {}, tonumber(bytes), {}

local function enrollment(id)
    if not known[id] then
        known[id] = redis.call('HMGET', T .. ':e:' .. id, 'type', 'parent')
    end

    return known[id][1] or '', known[id][2] or ''
end

for _, entry in ipairs(list) do
    local f = {}

    for i = 1, #entry[2], 2 do
        f[entry[2][i]] = entry[2][i + 1]
    end

    local kind, parent, body, z, lost = '', '', '', '0', 0
    local id, what = f.id or '', f.event or ''

    -- one that was put aside comes again for whom it was

    if f.only and f.only ~= name then
        what = ''
    end

    local raw = payload ~= '0' and f.raw or ''

    if string.sub(what, 1, 4) == 'mdm.' then
        kind, parent = enrollment(id)
    end

    if what == 'mdm.Connect' and payload == '2' and raw == '' then
        local ok, data = pcall(cjson.decode, f.data)

        if ok and type(data) == 'table' and data.status ~= 'NotNow' then
            local r = redis.call('HMGET', T .. ':r:' .. id .. ':'
                                 .. (data.command_uuid or ''), 'body', 'z')

            body, z, lost = r[1] or '', r[2] or '0', r[1] and 0 or 1
        end
    end

    room = room - outbox_size(entry) - #body

    if room < 0 and #rows > 0 then
        break
    end

    for _, value in ipairs({entry[1], f.entry or entry[1], what, id,
                            f.data or '', raw, f.params or '', kind, parent,
                            body, z, lost})
    do
        rows[#rows + 1] = value
    end
end

redis.call('HSET', out, 'l:' .. name,
           runner .. ' ' .. outbox_ms(now + tonumber(lease)))

return {1, 0, attempts, math.max(0, now - first), refused, rows}
