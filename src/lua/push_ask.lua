--@owes
--@args who address limit lease ids...
--@returns pushes...
--@row pushes i bar topic token magic stamp
-- Pushes that are asked for as such, whatever the queue holds.
-- lease: ms, or "": the caller sends none of them
-- for id i (from 0) what enqueue says of its pushes; bar 6: not enrolled
--@include event
--@include clock
--@include era_of
--@include push
--@include push_lease
local T = KEYS[1]
local now, out, asked = push_now(), {}, {}

-- seconds for which it is tried
local tried = 3600

for i = ids_at, #ARGV do
    local id = ARGV[i]
    local e = T .. ':e:' .. id
    local v = push_read(T, id)
    local bar = redis.call('HEXISTS', e, 'type') == 1 and push_bar(T, v) or 6
    local row = {i - ids_at, bar, bar == 3 and v.dead or '', '', '', ''}

    if bar == 0 then
        asked[#asked + 1] = id
        redis.call('HSET', e, 'pf',
                   string.format('%.0f', math.floor(now / 1000) + tried))

        -- none may be owed any more, but one was sent just now

        local taken = tonumber(v.taken or '0')
        local later = math.min(taken, now) + (tonumber(push_window) or 0)

        if later > now and not redis.call('ZSCORE', T .. ':push', id) then
            push_set(T, id, later)
        else
            push_owe(T, id)
        end

        local due = tonumber(redis.call('ZSCORE', T .. ':push', id) or 'inf')

        if due > now then
            row[2] = 5

        elseif lease ~= '' then
            row = {i - ids_at, 0, v.topic, v.token, v.magic,
                   push_lease(T, id, now, tonumber(lease))}
        end
    end

    for k = 1, #row do
        out[#out + 1] = row[k]
    end
end

if #asked > 0 then
    event(T, limit, 'api.Push', table.concat(asked, ','),
          {by = who, address = address})
end

return out
