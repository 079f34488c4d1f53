--@readonly
--@args id token cursor most
--@returns code token time subs waits cursor list...
--@row list key tokens
-- What a channel gets now, page by page.
-- token, cursor: of the page before, "" for the first; most: declarations of
-- a page, about
-- {1, token ("": no declarations), its time, subscriptions (JSON or ""),
-- 1: a command waits, cursor ("": there is no more), key, "ServerToken
-- template", …} in no order, now and then one twice; a further page has the
-- token, the cursor and the list only; {0}: not enrolled
--@include queue_of
--@include era_of
local T = KEYS[1]
local reply

if token == '' then
    local v = redis.call('HMGET', T .. ':e:' .. id, 'type', 'dt', 'dts', 'dc',
                         'enrolled', 'updated', 'parent', 'era')

    if not v[1] then
        return {0}
    end

    if era_before(T, v[7], v[8]) ~= 0 then
        v[2], v[4] = nil, nil
    end

    token = v[2] or ''

    reply = {1, token, v[3] or v[5] or v[6] or '0',
             token ~= '' and redis.call('HGET', T .. ':dm:' .. token, 'subs')
             or '', v[4] and queue_has(T, id, v[4]) and 1 or 0, ''}

    if token == '' then
        return reply
    end

    cursor = '0'

else
    reply = {1, token, '', '', 0, ''}
end

-- a manifest never changes, and is kept for a while when nobody has it any more

local page = redis.call('HSCAN', T .. ':dm:' .. token, cursor, 'COUNT', most)

if page[1] ~= '0' then
    reply[6] = page[1]
end

for i = 1, #page[2], 2 do
    if string.find(page[2][i], '/', 1, true) then
        reply[#reply + 1] = page[2][i]
        reply[#reply + 1] = page[2][i + 1]
    end
end

return reply
