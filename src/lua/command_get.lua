--@readonly
--@args id uuid
--@returns code type time status|refusals body z known dropped console
-- What became of a command.
-- {1, RequestType, time of queueing, "first:tally" or ""}: pending;
-- {2, RequestType, time, status, body, z, known, dropped, NotOnConsole}: there
-- is a result; "dropped" is the size of the body if it was taken away, else "";
-- {3, "", time}: finished, the result is gone;
-- {0}: never seen, or long ago; {-1}: not enrolled
--@include queue_of
--@include era_of
local T = KEYS[1]

local v = redis.call('HMGET', T .. ':e:' .. id, 'type', 'parent', 'era')

if not v[1] then
    return {-1}
end

if era_before(T, v[2], v[3]) ~= 2 and queue_has(T, id, uuid) then
    local c = redis.call('HMGET', T .. ':c:' .. uuid, 'type', 'time')

    return {1, c[1] or '', c[2] or '',
            redis.call('HGET', T .. ':nn:' .. id, uuid) or ''}
end

local r = redis.call('HMGET', T .. ':r:' .. id .. ':' .. uuid,
                     'status', 'type', 'time', 'body', 'z', 'known', 'dropped',
                     'not_on_console')

if r[1] then
    return {2, r[2] or '', r[3] or '', r[1], r[4] or '', r[5] or '',
            r[6] or '', r[7] or '', r[8] or ''}
end

local time = redis.call('ZSCORE', T .. ':done:' .. id, uuid)

if time then
    return {3, '', string.match(time, '^%d+')}
end

return {0}
