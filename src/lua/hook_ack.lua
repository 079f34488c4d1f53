--@volatile
--@args name runner lease id most hold status error failed skipped next first
--@args dead
--@returns code length warn left
-- What a sender of a webhook has got done.
-- lease: ms more, 0: it ends; id: of the last entry that is done, or ""; most:
-- entries, the limit; hold: ms; status, error: of the last attempt, "": there
-- was none; failed: attempts of the next entry, 0: it has had none; skipped:
-- entries among those that are done which could not be delivered; next: ms
-- until the next attempt, first: Unix ms of the first; dead: ids of entries to
-- be kept aside, separated by blanks
-- {1, entries, 1: it fills, which is to be said; {who is left behind from now
-- on}}; {0}: it is another one's
--@include outbox
local T = KEYS[1]
local out, stream = T .. ':out', T .. ':events'
local now = outbox_now()
local v = redis.call('HMGET', out, 'h:' .. name, 'l:' .. name, 's:' .. name)

if not v[1] or string.match(v[2] or '', '^%S+') ~= runner then
    return {0}
end

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

if id ~= '' then
    if outbox_before(string.match(v[1], '^%S+'), id) then
        redis.call('HSET', out, 'h:' .. name, id .. ' ' .. outbox_ms(now))
    end

    redis.call('HDEL', out, 'f:' .. name)
end

if failed ~= '0' then
    redis.call('HSET', out, 'f:' .. name, failed .. ' ' .. first .. ' '
               .. outbox_ms(now + tonumber(next)))
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

local n, warn, left = outbox_trim(T, tonumber(most), tonumber(hold), now)

return {1, n, warn, left}
