--@owes
--@args who address limit id fresh uuid body
--@returns code
-- Computes the declarations of a channel that can be told, now that its
-- partition has all sets, and tells it.
-- fresh: 1: it enrolled just now; uuid, body: of the command
-- {0}; {1}: call again, with the same; {2}: first bring the copy what it lacks;
-- {3}: the manifest cannot be made, since Redis evicts what is under way
--@include event
--@include clock
--@include queue
--@include status
--@include era
--@include ddm
--@include setup
local T = KEYS[1]
local ctx = {now = clock(), uuid = uuid, body = body}
local more = ddm_enabled(T, id, ctx, limit, fresh == '1')

if more == 0 and fresh == '1' then
    redis.call('HDEL', T .. ':e:' .. id, 'fresh')
end

if more == 0 and not ctx.half and not ctx.lost then
    setup.followed(T, id)
end

return {ctx.half and 2 or ctx.lost and 3 or more}
