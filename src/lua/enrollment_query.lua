--@readonly
--@args by after most rows enabled certificate token supervised push_dead
--@args filters...
--@returns looked more last rows...
--@row rows id type enabled tally last_seen serial short_name long_name der
--@row rows unlock held blocked erased lapsed os build model model_name product
--@row rows supervised
-- Enrollments of a partition that fit a filter.
-- by: "scan", "ids" or "serials"; after: id after which to go on or ""; most,
-- rows: ids looked at at most, rows at most; enabled ("", "0", "1");
-- certificate, unlock token (0 or 1); supervised, push_dead ("", "0", "1");
-- filters: of types, serials, short names, OS versions, models (one of these
-- two may end in "*"), sets and tags (fields of T:d:<id>) each how many and
-- which (0: any), then ids; of "serials" pairs of
-- a device and the serial number that it is to have, users come with it
-- {ids looked at, more to come (0 or 1), last id looked at, row, row, …};
-- a row is {id, type, enabled, tally, last_seen, serial, short name, long
-- name, DER, unlock token, 1: it is withheld from the device, how the
-- device is refused where it is blocked or "", when it erased itself or "",
-- when it was found that its certificate has lapsed or "", OS version, build,
-- model, model name, product, supervised ("": not known)}; with
-- "serials" "more" is which device comes next (from 1), and a row {id} a
-- device that has another serial number, or is gone
--@include era_of
--@include block_of
local T, most, rows = KEYS[1], tonumber(most), tonumber(rows)
local certificate, token = certificate == '1', token == '1'
local at = filters_at

local function set()
    local n, any = tonumber(ARGV[at]), nil

    for i = at + 1, at + n do
        any = any or {}
        any[ARGV[i]] = true
    end

    at = at + n + 1

    return any
end

-- those that end in "*": what stands before it
local function patterns()
    local exact, begins = set(), {}

    for value in pairs(exact or {}) do
        if string.sub(value, -1) == '*' then
            begins[#begins + 1] = string.sub(value, 1, -2)
        end
    end

    return exact and {exact = exact, begins = begins}
end

local function fits(list, value)
    if not value then
        return false
    end

    if list.exact[value] then
        return true
    end

    for _, text in ipairs(list.begins) do
        if string.sub(value, 1, #text) == text then
            return true
        end
    end

    return false
end

local types, serials, names = set(), set(), set()
local systems, models = patterns(), patterns()

-- fields of an assignment
local function fields()
    local n, list = tonumber(ARGV[at]), {}

    for i = at + 1, at + n do
        list[#list + 1] = ARGV[i]
    end

    at = at + n + 1

    return n > 0 and list
end

local sets, tags = fields(), fields()

-- has it one of them?
local function assigned(id, list)
    if not list then
        return true
    end

    for _, value in ipairs(redis.call('HMGET', T .. ':d:' .. id,
                                      unpack(list)))
    do
        if value then
            return true
        end
    end

    return false
end

local ids, more, stale = {}, 0, {}

if by == 'ids' then
    for i = at, #ARGV do
        ids[#ids + 1] = ARGV[i]
    end

elseif by == 'serials' then
    for i = at, #ARGV - 1, 2 do
        if #ids >= most then
            more = (i - at) / 2 + 1
            break
        end

        local device, serial = ARGV[i], ARGV[i + 1]
        local now = redis.call('HGET', T .. ':e:' .. device, 'serial')

        if now == serial then
            local users = redis.call('SMEMBERS', T .. ':users:' .. device)

            table.sort(users)
            ids[#ids + 1] = device

            for _, user in ipairs(users) do
                ids[#ids + 1] = user
            end

        -- an index knows no case

        elseif not now or string.upper(now) ~= string.upper(serial) then
            stale[#stale + 1] = {device}
        end
    end

else
    ids = redis.call('ZRANGEBYLEX', T .. ':ids',
                     after == '' and '-' or '(' .. after, '+',
                     'LIMIT', 0, most + 1)

    if #ids > most then
        ids[#ids] = nil
        more = 1
    end
end

local reply = {0, more, ''}

for i, id in ipairs(ids) do
    local v = redis.call('HMGET', T .. ':e:' .. id, 'type', 'enabled',
                         'tally', 'last_seen', 'serial', 'short_name',
                         'long_name', 'parent', 'updated', 'enrolled', 'os',
                         'build', 'model', 'model_name', 'product',
                         'supervised', 'era', 'dead', 'blocked', 'erased',
                         'lapsed')

    local before = era_before(T, v[8], v[17])

    if before ~= 0 then
        v[2], v[18] = '0', false
        v[3] = before == 2 and '0' or v[3]
    end

    reply[1] = i
    reply[3] = id

    if v[1] and (enabled == '' or (v[2] or '0') == enabled)
        and (not types or types[v[1]])
        and (not names or names[v[6] or ''])
        and (push_dead == '' or (push_dead == '1') == (v[18] and true or false))
        and assigned(id, sets) and assigned(id, tags)
    then
        local device = v[8] or id
        local d = {v[5], v[11], v[12], v[13], v[14], v[15], v[16], v[19],
                   v[20], v[21]}

        if v[8] then
            d = redis.call('HMGET', T .. ':e:' .. device, 'serial', 'os',
                           'build', 'model', 'model_name', 'product',
                           'supervised', 'blocked', 'erased', 'lapsed')
        end

        local serial = d[1] or ''

        if (not serials or serials[serial])
            and (not systems or fits(systems, d[2]))
            and (not models or fits(models, d[4]) or fits(models, d[5])
                 or fits(models, d[6]))
            and (supervised == '' or d[7] == supervised)
        then
            local der, unlock, held

            if certificate then
                der = redis.call('GET', T .. ':crt:' .. device)
            end

            if token then
                unlock = redis.call('HGET', T .. ':u:' .. id, 'unlock')
                held = redis.call('HEXISTS', T .. ':u:' .. id, 'unlock_held')
            end

            reply[#reply + 1] = {id, v[1], v[2] or '0', v[3] or '0',
                                 v[4] or v[9] or v[10] or '', serial,
                                 v[6] or '', v[7] or '', der or '',
                                 unlock or '', held or 0,
                                 block_answer(d[8]), d[9] or '', d[10] or '',
                                 d[2] or '', d[3] or '', d[4] or '',
                                 d[5] or '', d[6] or '', d[7] or ''}

            if #reply - 3 == rows then
                if i < #ids then
                    reply[2] = 1
                end

                break
            end
        end
    end
end

for _, row in ipairs(stale) do
    reply[#reply + 1] = row
end

return reply
