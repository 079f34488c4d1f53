--@args who address limit id fresh uuid body
--@returns code
-- Computes the declarations of a channel that can be told, now that its
-- partition has all sets, and tells it.
-- fresh: 1: it enrolled just now; uuid, body: of the command
-- {0}; {1}: call again, with the same
--@include event
--@include clock
--@include queue
--@include status
--@include era
--@include ddm
local T = KEYS[1]

return {ddm_enabled(T, id, {now = clock(), uuid = uuid, body = body}, limit,
                    fresh == '1')}
