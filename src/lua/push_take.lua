--@volatile
--@args n lease retries...
--@returns next rows...
--@row rows id topic token magic stamp owed
-- Leases pushes that are due.
-- n: entries that are looked at, at most; lease: ms; retries: ms, as
-- mdm_push_retry has them
-- {ms until more is due, -1: nothing is owed, -2: the partition was not walked
-- yet, see push_walk; id, topic, token, magic, stamp, since when it is owed
-- (Unix ms, "": one was taken before), …}
--@include clock
--@include era_of
--@include push_at
--@include push_lease
local T = KEYS[1]
local key, now, n = T .. ':push', push_now(), tonumber(n)
local first = tonumber(ARGV[retries_at] or '120000')

-- ms, at least, while the device has refused all that waits
local refused = 900000

-- seconds of a field, never ahead of now
local function past(seconds)
    return math.min(tonumber(seconds or '0'), math.floor(now / 1000))
end

-- has the device said NotNow to all that waits?
local function not_now(id)
    local answers = redis.call('HLEN', T .. ':nn:' .. id)

    return answers > 0
           and answers == redis.call('LLEN', T .. ':q:' .. id) + 1
end

-- when it is to be pushed, from what the device has done since it was pushed
-- last
local function due_at(id, v, sent)
    local waits = v.q and not v.pf and not_now(id)

    if not sent and not waits then
        return 0
    end

    push_read_last(T, id)

    local time, tries, result

    if v.push then
        time, tries, result = string.match(v.push, '^(%d+) (%d+) (.*)$')
    end

    local at, seen = 0, past(v.last_seen)
    local anew = not sent and result == '200'

    time = past(time)

    if sent and seen >= time then
        at, anew = seen * 1000 + first, true
    end

    -- without "taken" the token is new, or the push was given back

    if waits and v.taken then
        at = math.max(at, math.max(seen, time) * 1000 + refused)
    end

    if anew and tries and tries ~= '0' then
        redis.call('HSET', T .. ':e:' .. id, 'push',
                   time .. ' 0 ' .. result)
    end

    return at
end

-- a lease that ends too late was made when the clock was wrong

local ahead = redis.call('ZRANGE', key, -4, -1, 'WITHSCORES')

for i = 1, #ahead, 2 do
    local score = tonumber(ahead[i + 1])
    local part = score % 1

    if (part == 0.25 or part == 0.75) and score > now + 2 * tonumber(lease) then
        push_set(T, ahead[i], now + (part == 0.75 and 0.5 or 0))
    end
end

-- what is leased, as rows and as what ZADD takes: all of it in one command

local out, rows, leased = {}, 0, {}
local taken, stamps = string.format('%.0f', now), {
    [false] = push_stamp(now, tonumber(lease), false),
    [true] = push_stamp(now, tonumber(lease), true)
}

local function take(id, v, sent, score)
    local stamp = stamps[sent]
    local since = ''

    if not sent then
        since = string.match(score, '^%d%d%d%d%d%d%d%d%d%d+')
                or string.format('%.0f', math.floor(tonumber(score)))
    end

    redis.call('HSET', T .. ':e:' .. id, 'taken', taken)

    leased[#leased + 1] = stamp
    leased[#leased + 1] = id

    out[rows + 1], out[rows + 2], out[rows + 3] = id, v.topic, v.token
    out[rows + 4], out[rows + 5] = v.magic, stamp
    out[rows + 6] = since
    rows = rows + 6
end

local due = redis.call('ZRANGEBYSCORE', key, '-inf', string.format('%.0f', now),
                       'WITHSCORES', 'LIMIT', 0, n)

for i = 1, #due, 2 do
    local id, v = due[i], push_read(T, due[i])
    local sent = tonumber(due[i + 1]) % 1 >= 0.5
    local asked = v.pf and tonumber(v.pf) > now / 1000

    if v.pf and not asked then
        redis.call('HDEL', T .. ':e:' .. id, 'pf')
        v.pf = false
    end

    if push_bar(T, v) ~= 0 or not (v.q or asked) then
        redis.call('ZREM', key, id)

    else
        local at = due_at(id, v, sent)

        if at > now then
            push_set(T, id, at + 0.5)

        else
            take(id, v, sent, due[i + 1])
        end
    end
end

if rows > 0 then
    redis.call('ZADD', key, unpack(leased))
end

local next = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]

if redis.call('HEXISTS', T .. ':meta', 'push') == 0 then
    next = -2

elseif next then
    next = math.max(0, math.ceil(tonumber(next) - now))

else
    next = -1
end

return {next, unpack(out)}
