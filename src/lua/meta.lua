--@onekey
--@args number expected new release checks...
--@returns code id|version known|release
-- What a store was set up with: its id, made by whoever comes first; the
-- version of the keyspace; the number of partitions, fixed by the first, too;
-- and the keys that values may be encrypted with ("id:check", parted by
-- blanks), to which the first of a worker's is added.  "sealed": no value is
-- plain, as a key was there from the first, or mdm-reencrypt said so.
-- KEYS[1]: mdm:meta; number: partitions; expected: the id that the worker knows
-- of the store, or ''; new: an id for a store that has none, or '' to give it
-- none; release: that of the worker; checks: "id:check" of each key, newest
-- first; then "sealed" if it must be
-- 0, the store's id, the id that was known: all fits
-- 1, the store's id or '', the id that was known: it is another store
-- 2, version, the release that wrote it: the keyspace is of another version
-- or, no list, the number of partitions where it is another one; or a text
-- that says why the keys do not fit
local meta, keys, have = KEYS[1], {}, {}
local v = redis.call('HMGET', meta, 'partitions', 'keys', 'version',
                     'store_id', 'adopted', 'release', 'sealed', 'seal')
local sealed = #ARGV >= checks_at and ARGV[#ARGV] == 'sealed'
               and table.remove(ARGV)
local partitions, known, id = v[1], v[2] or '', v[4]

if (v[3] or partitions and '1' or '2') ~= '2' then
    return {2, v[3] or '1', v[6] or ''}
end

-- a store that takes the place of others names them

if expected ~= '' and id ~= expected
   and not (id and string.find(' ' .. (v[5] or '') .. ' ',
                               ' ' .. expected .. ' ', 1, true))
then
    return {1, id or '', expected}
end

if partitions and partitions ~= number then
    return tonumber(partitions)
end

for i = checks_at, #ARGV do
    local key, check = string.match(ARGV[i], '^(%x+):(%x+)$')
    keys[key] = check
end

for key, check in string.gmatch(known, '(%x+):(%x+)') do
    have[key] = true

    if #ARGV < checks_at then
        return 'it holds values that are encrypted with key ' .. key
               .. ', but there is no "encryption_key": add one with that'
               .. ' key'
    end

    if not keys[key] then
        return 'it holds values that are encrypted with key ' .. key
               .. ', which is in no file of "encryption_key": add it behind'
               .. ' the newest'
    end

    if keys[key] ~= check then
        return 'the check value of key ' .. key .. ' in mdm:meta is another'
               .. ' one'
    end
end

if sealed and partitions and not v[7] then
    return 'it may hold values that are not encrypted, but'
           .. ' "encryption_required" is on: call mdm-reencrypt until it'
           .. ' says "left 0"'
end

if #ARGV < checks_at and v[7] then
    redis.call('HDEL', meta, 'sealed')
elseif #ARGV >= checks_at and not partitions then
    redis.call('HSET', meta, 'sealed', string.match(ARGV[checks_at], '^%x+'))
end

-- what was sealed without a key may have been made by anybody who reads redis

if #ARGV >= checks_at and v[8] then
    redis.call('HDEL', meta, 'seal')
end

if not partitions then
    redis.call('HSET', meta, 'partitions', number, 'version', 2,
               'release', release)
end

if not id and new ~= '' then
    id = new
    redis.call('HSET', meta, 'store_id', id)
end

local newest = #ARGV >= checks_at and string.match(ARGV[checks_at], '^%x+')

if newest and not have[newest] then
    redis.call('HSET', meta, 'keys',
               ARGV[checks_at] .. (known == '' and '' or ' ' .. known))
end

return {0, id or '', expected}
