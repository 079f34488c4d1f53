--@args rev watchers sets...
--@returns code
-- Takes changed sets into the replica of a partition; ddm_scan carries them
-- to the channels.
-- watchers: JSON; sets: set, definition (JSON), …
-- {1}: done; {0}: the replica is at this rev, or a later one
local T, rev = KEYS[1], tonumber(rev)
local key = T .. ':ddm'
local v = redis.call('HMGET', key, 'rev', 'to', 'sets', 'f', 'of')
local done, to = tonumber(v[1] or '-1'), tonumber(v[2] or '-1')

if rev <= to then
    return {0}
end

-- a scan that is not at its end starts again, with what is new

local sets, filters, left, known = {}, {}, {}, {}

if v[4] then
    filters = cjson.decode(v[4])
end

if to ~= done then
    sets = cjson.decode(v[3] or '[]')
    left = cjson.decode(v[5] or '{}')
end

for _, set in ipairs(sets) do
    known[set] = true
end

local changed = {}

for i = sets_at, #ARGV - 1, 2 do
    local def = cjson.decode(ARGV[i + 1])

    if def.r > done then
        changed[#changed + 1] = i

        if not known[ARGV[i]] then
            known[ARGV[i]] = true
            sets[#sets + 1] = ARGV[i]
            left[ARGV[i]] = filters[ARGV[i]]
        end

        filters[ARGV[i]] = def.f
    end
end

for _, i in ipairs(changed) do
    redis.call('HSET', T .. ':dd', ARGV[i], ARGV[i + 1])
end

local function keep(field, value)
    if next(value) == nil then
        redis.call('HDEL', key, field)
    else
        redis.call('HSET', key, field, cjson.encode(value))
    end
end

keep('f', filters)
redis.call('HSET', key, 'to', rev, 'w', watchers)
redis.call('HDEL', key, 'after')

-- nothing that a channel could see

if #sets == 0 then
    redis.call('HSET', key, 'rev', rev)
    redis.call('HDEL', key, 'from', 'sets', 'of')

    return {1}
end

redis.call('HSET', key, 'from', done)
keep('sets', sets)
keep('of', left)

return {1}
