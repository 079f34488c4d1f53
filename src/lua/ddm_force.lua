--@args who address limit nsets sets...
--@returns code rev|name
-- POST /v1/notify for sets: whoever has them is told, changed or not.
-- sets: each once, as many as nsets says that have to be there, then others
-- {1, revision}; {0}: there is none of them; {-1, name}: there is no such set
--@include event
--@include ddm_change
local D, n = KEYS[1], tonumber(nsets)
local sets = {}

for i = sets_at, #ARGV do
    if redis.call('ZSCORE', D .. ':sets', ARGV[i]) then
        sets[#sets + 1] = ARGV[i]

    elseif i < sets_at + n then
        return {-1, ARGV[i]}
    end
end

if #sets == 0 then
    return {0}
end

local rev = redis.call('HINCRBY', D .. ':meta', 'rev', 1)

ddm_zadd(D .. ':sets', rev, sets)
ddm_zadd(D .. ':force', rev, sets)

event(D, limit, 'api.Notify', table.concat(sets, ','),
      {by = who, address = address, sets = #sets})

return {1, rev}
