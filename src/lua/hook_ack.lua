--@volatile
--@args name runner lease id most hold status error taken failed skipped next
--@args entry dead
--@returns code length warn left limit more
-- What a sender of a webhook has got done.
-- lease: ms more, 0: it ends; id: of the last entry that is done, or ""; most:
-- entries, the limit; hold: ms; status, error: of the last attempt, "": there
-- was none; taken: 1: one of those that are done was delivered; failed:
-- attempts of the next entry, "entry", 0: it has had none; skipped: entries
-- among those that are done which could not be delivered; next: ms until the
-- next attempt; dead: ids of entries to be kept aside, separated by blanks
-- {1, entries, 1: it fills, which is to be said; {who is left behind from now
-- on}, the limit in force, 1: there are entries behind those that are done, or
-- it does not end}; {0}: it is another one's
--@include outbox
local T = KEYS[1]
local out, stream = T .. ':out', T .. ':events'
local now = outbox_now()
local v = redis.call('HMGET', out, 'h:' .. name, 'l:' .. name, 's:' .. name,
                     'f:' .. name)

if not v[1] or string.match(v[2] or '', '^%S+') ~= runner then
    return {0}
end

outbox_begin(T)

for entry in string.gmatch(dead, '%S+') do
    local found = redis.call('XRANGE', stream, entry, entry)[1]

    if found then
        local args = {'XADD', T .. ':dead:' .. name, 'MAXLEN', '~', 1000, '*',
                      'entry', entry, 'why', error}

        for _, value in ipairs(found[2]) do
            args[#args + 1] = value
        end

        redis.call(unpack(args))
        redis.call('EXPIRE', T .. ':dead:' .. name, 30 * 86400)
    end
end

local place, at = string.match(v[1], '^(%S+) (%d+)$')

if id ~= '' then
    -- what is put aside is no sign of life

    if error == '' or taken == '1' then
        at = outbox_ms(now)
    end

    if outbox_before(place, id) then
        redis.call('HSET', out, 'h:' .. name, id .. ' ' .. at)
        place = id
    end

    redis.call('HDEL', out, 'f:' .. name)
end

if failed ~= '0' then
    local _, first, _, which, body = outbox_failed(v[4])

    if which ~= entry then
        first, body = now, 0
    end

    if status == '400' or status == '413' or status == '422' then
        body = body + 1
    end

    redis.call('HSET', out, 'f:' .. name,
               string.format('%s %.0f %.0f %s %d', failed, first,
                             now + tonumber(next), entry, body))
end

if status ~= '' then
    local last, n, gone = string.match(v[3] or '',
                                        '^%S+ %d+ (%d+) (%d+) (%d+)$')

    last, n, gone = tonumber(last or '0'), tonumber(n or '0'),
                    tonumber(gone or '0')

    if error == '' then
        last = now
    else
        n = n + 1
        redis.call('HSET', out, 'e:' .. name, outbox_ms(now) .. ' ' .. error)
    end

    gone = gone + tonumber(skipped)
    redis.call('HSET', out, 's:' .. name,
               string.format('%s %.0f %.0f %.0f %.0f', status, now, last, n,
                             gone))
end

if lease == '0' then
    redis.call('HDEL', out, 'l:' .. name)
else
    redis.call('HSET', out, 'l:' .. name,
               runner .. ' ' .. outbox_ms(now + tonumber(lease)))
end

local n, warn, left, limit
    = outbox_trim(T, tonumber(most), tonumber(hold), now)

local more = 1

-- who goes on has entries that he took

if lease == '0' then
    more = #redis.call('XRANGE', stream, '(' .. (place or '0-0'), '+',
                       'COUNT', 1)
end

return {1, n, warn, left, limit, more}
