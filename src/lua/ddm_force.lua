--@args who address limit nsets sets...
--@returns code rev|name
-- POST /v1/notify for sets: whoever has them is told, changed or not.
-- sets: each once, as many as nsets says that have to be there, then others
-- {1, revision}; {0}: there is none of them; {-1, name}: there is no such set
--@include event
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
local args = {}

-- few calls of many: an argument list has its limit in Lua

for i, set in ipairs(sets) do
    args[#args + 1] = rev
    args[#args + 1] = set

    if #args == 1000 or i == #sets then
        redis.call('ZADD', D .. ':sets', unpack(args))
        redis.call('ZADD', D .. ':force', unpack(args))
        args = {}
    end
end

event(D, limit, 'api.Notify', table.concat(sets, ','),
      {by = who, address = address, sets = #sets})

return {1, rev}
