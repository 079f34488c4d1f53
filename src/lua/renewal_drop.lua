--@args who address limit id uuid seconds
--@returns code
-- A renewal leaves the queue without having been delivered.
-- seconds: until it is looked at again, since none could be made; "": there is
-- a new certificate by now
-- {1}: done; {0}: it was not queued
--@include event
--@include clock
--@include queue
local T = KEYS[1]

if redis.call('HEXISTS', T .. ':c:' .. uuid, 'ref') == 0
    or not queue_remove(T, id, uuid)
then
    return {0}
end

command_release(T, uuid, 1)

local exp = T .. ':exp'
local score = tonumber(redis.call('ZSCORE', exp, id) or '')

if seconds ~= '' and score then
    redis.call('ZADD', exp, math.min(score, clock() + tonumber(seconds)), id)
end

return {1}
