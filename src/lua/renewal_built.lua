--@args id uuid body ends
--@returns code body
-- A renewal that is being delivered was made: its bytes are kept until it is
-- answered, or the challenge in them ends.
-- uuid: of the command; ends: of the challenge, Unix seconds
-- {1}: done; {2, body}: somebody was first, who made this; {0}: it is not
-- queued any more
--@include clock
--@include queue_of
local T = KEYS[1]
local command = T .. ':c:' .. uuid
local v = redis.call('HMGET', command, 'ref', 'body', 'until')

if not v[1] or not queue_has(T, id, uuid) then
    return {0, ''}
end

if v[2] and v[3] and tonumber(v[3]) > clock() + 60 then
    return {2, v[2]}
end

redis.call('HSET', command, 'body', body, 'until', ends)

return {1, ''}
