--@refuses
--@args who address limit sets...
--@returns code rev
-- POST /v1/notify for sets: whoever has them is told, changed or not.
-- sets: each once; what is no set is left out
-- {1, revision}; {0}: there is none of them; {-100, …}: see outbox_full()
--@include event
--@include ddm_change
--@include outbox_full
local D = KEYS[1]
local sets = {}

for i = sets_at, #ARGV do
    if redis.call('ZSCORE', D .. ':sets', ARGV[i]) then
        sets[#sets + 1] = ARGV[i]
    end
end

if #sets == 0 then
    return {0}
end

local full = outbox_full(D, limit)

if full then
    return full
end

local rev = redis.call('HINCRBY', D .. ':meta', 'rev', 1)

ddm_zadd(D .. ':sets', rev, sets)
ddm_zadd(D .. ':force', rev, sets)

event(D, limit, 'api.Notify', table.concat(sets, ','),
      {by = who, address = address, sets = #sets})

return {1, rev}
