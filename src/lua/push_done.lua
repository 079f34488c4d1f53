--@volatile
--@args who address limit retries answers...
--@returns outcomes...
-- What became of pushes that were leased.
-- retries: ms, as mdm_push_retry has them, parted by commas
-- answers: id, token: that it was sent to; stamp; verdict; first, last: ms;
-- reason; timestamp, and the next one.  verdict:
--   taken: by APNs, and nothing follows; the next one, while commands wait,
--     after the interval of "retries" that stands at the tries so far
--   again, later: it is due after first, doubled by each try, at most last
--   never: not before another command waits
--   dead: the token is; with a timestamp (ms, 0: none) only if that is later
--     than the token came, or if it was said an hour ago, too; else as later
--   back: it was not sent; due after first
-- a number for each: 0: another token has come, nothing was changed; 1: done;
-- 2: the token is dead now
--@include event
--@include clock
--@include push_at
local T = KEYS[1]
local key, now = T .. ':push', push_now()
local seconds = math.floor(now / 1000)
local said = string.format('%.0f', seconds)

-- Redis' own random numbers are the same in each script

math.randomseed(seconds % 2000 * 1000000 + tonumber(clock_time()[2]))

local intervals = {}

for ms in string.gmatch(retries, '%d+') do
    intervals[#intervals + 1] = tonumber(ms)
end

local function interval(tries)
    return intervals[math.max(1, math.min(tries, #intervals))] or 120000
end

-- Which entries stand where their leases have put them, by stamp: that is one
-- command for many, and Redis writes no scores.  What is moved is told at the
-- end; false: the entry goes.

local stamps, values, scores, moved = {}, {}, {}, {}

local function leased(stamp)
    local those = {}

    stamps[stamp], values[stamp] = those, tonumber(stamp)

    for _, id in ipairs(redis.call('ZRANGEBYSCORE', key, stamp, stamp, 'LIMIT',
                                   0, #ARGV))
    do
        those[id] = true
    end
end

-- where the entry stands, 0: there is none
local function score_of(id, stamp)
    if scores[id] then
        return scores[id]
    end

    if stamps[stamp][id] then
        return values[stamp]
    end

    return tonumber(redis.call('ZSCORE', key, id) or '0')
end

local function move(id, due)
    scores[id] = due or 0
    moved[id] = due and push_score(due)
end

local function back(id, stamp, first)
    if score_of(id, stamp) == values[stamp] then
        local sent = values[stamp] % 1 > 0.5 and 0.5 or 0

        move(id, now + (tonumber(first) or 0) + sent)
        redis.call('HDEL', T .. ':e:' .. id, 'taken')
    end
end

-- is it dead?  APNs may speak of a token that the device has brought again
local function believed(timestamp, e, before, time)
    if timestamp == '' then
        return true
    end

    local updated = tonumber(redis.call('HGET', e, 'updated') or '0')

    return math.floor(tonumber(timestamp) / 1000) > updated
           or string.sub(before, 1, 3) == '410' and seconds - time >= 3600
end

local function died(id, reason)
    redis.call('HSET', T .. ':e:' .. id, 'dead', seconds .. ' ' .. reason)
    redis.call('HDEL', T .. ':e:' .. id, 'pf')
    redis.call('SADD', T .. ':pd', id)
    move(id, false)

    event(T, limit, 'push.Unregistered', id, {reason = reason})
end

local function done(id, e, v, stamp, verdict, first, last, reason, timestamp)
    local time, tries, before

    if v.push then
        time, tries, before = string.match(v.push, '^(%d+) (%d+) (.*)$')
    end

    local took = verdict == 'taken'
    local dead = verdict == 'dead'

    time, tries, before = tonumber(time or '0'), tonumber(tries or '0'),
                          before or ''

    dead = dead and believed(timestamp, e, before, time)

    local score = score_of(id, stamp)
    local mine = score == values[stamp]

    -- its lease ran out, and somebody else has sent one since

    if not dead and not mine and score % 1 ~= 0 then
        return 1
    end

    -- a command has come since the last one: it is the first push for that

    if before == '200' and values[stamp] % 1 == 0.25 then
        tries = 0
    end

    -- tries of one kind are counted, and "410" since it was said first

    tries = (took == (before == '200')) and tries + 1 or 1

    if took or string.sub(before, 1, 3) ~= '410'
        or string.sub(reason, 1, 3) ~= '410' or seconds - time >= 3600
        or time > seconds
    then
        time = seconds
    end

    redis.call('HSET', e, 'push',
               string.format('%s %d %s', time == seconds and said or time,
                             tries, took and '200' or reason))

    if dead then
        died(id, reason)
        return 2
    end

    local ms

    if took then
        ms = interval(tries) * (0.9 + 0.2 * math.random())
    else
        ms = (tonumber(first) or 0) * 2 ^ math.min(tries - 1, 30)
        ms = math.min(ms, tonumber(last) or ms) * (0.8 + 0.4 * math.random())
    end

    -- 429 and 5xx: also for commands that come meanwhile

    local patience = verdict == 'later' and (string.match(reason, '^429')
                                             or string.match(reason, '^5%d%d'))

    if patience then
        redis.call('HSET', e, 'hold', string.format('%.0f', now + ms))
    elseif v.hold then
        redis.call('HDEL', e, 'hold')
    end

    if took and v.pf then
        redis.call('HDEL', e, 'pf')
        v.pf = false
    end

    if not mine then

        -- a command has come meanwhile, and has to wait as well

        if patience and score > 0 and score % 1 == 0
            and score < now + ms
        then
            move(id, now + math.floor(ms))
        end

        return 1
    end

    if verdict == 'never' or not (v.q or v.pf) then
        move(id, false)

    else
        move(id, now + math.floor(ms) + (took and 0.5 or 0))
    end

    return 1
end

local out, v = {}, {}

local i = answers_at

while i + 3 <= #ARGV do
    local id, token, stamp, verdict = unpack(ARGV, i, i + 3)
    local e, has = T .. ':e:' .. id

    has, v.push, v.q, v.pf, v.hold = unpack(
        redis.call('HMGET', e, 'token', 'push', 'q', 'pf', 'hold'))

    if not stamps[stamp] then
        leased(stamp)
    end

    if has ~= token then
        out[#out + 1] = 0

    elseif verdict == 'back' then
        back(id, stamp, ARGV[i + 4])
        out[#out + 1] = 1

    else
        out[#out + 1] = done(id, e, v, stamp, verdict,
                             unpack(ARGV, i + 4, i + 7))
    end

    i = i + (verdict == 'taken' and 4 or 8)
end

local set, gone = {}, {}

for id, score in pairs(moved) do
    if score then
        set[#set + 1] = score
        set[#set + 1] = id
    else
        gone[#gone + 1] = id
    end
end

if #set > 0 then
    redis.call('ZADD', key, unpack(set))
end

if #gone > 0 then
    redis.call('ZREM', key, unpack(gone))
end

return out
