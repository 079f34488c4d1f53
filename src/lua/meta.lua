--@onekey
-- What a store was set up with: the number of partitions, fixed by whoever
-- comes first, and the keys that values may be encrypted with ("id:check",
-- parted by blanks), to which the first of a worker's is added.
-- KEYS[1]: mdm:meta, ARGV: partitions, then "id:check" of each key, newest
-- first
-- the number of partitions; or a text that says why the keys do not fit
local meta, keys, have = KEYS[1], {}, {}
local v = redis.call('HMGET', meta, 'partitions', 'keys')
local partitions, known = v[1], v[2] or ''

if partitions and partitions ~= ARGV[1] then
    return tonumber(partitions)
end

for i = 2, #ARGV do
    local id, check = string.match(ARGV[i], '^(%x+):(%x+)$')
    keys[id] = check
end

for id, check in string.gmatch(known, '(%x+):(%x+)') do
    have[id] = true

    if #ARGV == 1 then
        return 'it holds values that are encrypted with key ' .. id
               .. ', but there is no "encryption_key": add one with that'
               .. ' key'
    end

    if not keys[id] then
        return 'it holds values that are encrypted with key ' .. id
               .. ', which is in no file of "encryption_key": add it behind'
               .. ' the newest'
    end

    if keys[id] ~= check then
        return 'the check value of key ' .. id .. ' in mdm:meta is another'
               .. ' one'
    end
end

if not partitions then
    redis.call('HSET', meta, 'partitions', ARGV[1], 'version', 1)
end

local newest = #ARGV > 1 and string.match(ARGV[2], '^%x+')

if newest and not have[newest] then
    redis.call('HSET', meta, 'keys',
               known == '' and ARGV[2] or ARGV[2] .. ' ' .. known)
end

return tonumber(ARGV[1])
