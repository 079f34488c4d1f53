--@readonly
--@args since most
--@returns rev upto last watchers rows...
--@row rows what name numbers text members
-- A page of what changed since a revision, for the copies of partitions, in
-- the order of revisions.  Whoever takes all pages in turn has the state at the
-- last one's: what changed again meanwhile comes once more.
-- most: work that a page is, about: rows, and declarations of sets
-- {revision now, that of the page: all up to there is in it, 1: it is the last
-- page, watchers (JSON; "": as they were), rows}
-- a row is one of a declaration: "d", id, "", "kind token" ("": no set has it),
-- names of variables; of a set: "s", set, "r n x": revision of its last change,
-- of the last one to be told of, of its last POST /v1/notify; or of what a set
-- says: "m", set, "rev n": revision of that, and n; filter, line feed,
-- subscriptions (JSON or ""); "<kind>/<id>" of its declarations, a line each,
-- in any order
local D, since, most = KEYS[1], tonumber(since), tonumber(most)
local meta = redis.call('HMGET', D .. ':meta', 'rev', 'wrev')
local rev, wrev = tonumber(meta[1] or '0'), tonumber(meta[2] or '0')

if since >= rev then
    return {rev, rev, 1, ''}
end

local kinds = {a = 'activation/', s = 'asset/', c = 'configuration/',
               m = 'management/'}
local from = '(' .. string.format('%.0f', since)
local lists, at = {}, {d = 1, m = 1, s = 1}

lists.d = redis.call('ZRANGEBYSCORE', D .. ':rows', from, '+inf', 'WITHSCORES',
                     'LIMIT', 0, most + 1)
lists.m = redis.call('ZRANGEBYSCORE', D .. ':defs', from, '+inf', 'WITHSCORES')
lists.s = redis.call('ZRANGEBYSCORE', D .. ':sets', from, '+inf', 'WITHSCORES')

local reply, cost, upto, cut = {rev, rev, 1, ''}, 0, since, false

local filled = 4

local function add(what, name, numbers, text, members)
    reply[filled + 1], reply[filled + 2], reply[filled + 3] = what, name,
                                                              numbers
    reply[filled + 4], reply[filled + 5] = text, members
    filled = filled + 5
    cost = cost + 1 + (#text + #members) / 256
end

local function declaration(id)
    local v = redis.call('HMGET', D .. ':d:' .. id, 'kind', 'token', 'vars')

    if v[1] and redis.call('EXISTS', D .. ':in:' .. id) == 1 then
        add('d', id, '', kinds[v[1]] .. ' ' .. v[2], v[3] or '')
    else
        add('d', id, '', '', '')
    end
end

-- one by one where they are few

local scores = {}

local function score_of(which, name)
    if #lists.s <= 100 then
        return redis.call('ZSCORE', D .. which, name) or '0'
    end

    if not scores[which] then
        local all, by = redis.call('ZRANGE', D .. which, 0, -1, 'WITHSCORES'),
                        {}

        for i = 1, #all, 2 do
            by[all[i]] = all[i + 1]
        end

        scores[which] = by
    end

    return scores[which][name] or '0'
end

local function set(name, score)
    add('s', name, score .. ' ' .. score_of(':n', name) .. ' '
                   .. score_of(':force', name), '', '')
end

local function meaning(name, score)
    local members = {}

    for _, id in ipairs(redis.call('SMEMBERS', D .. ':s:' .. name)) do
        local kind = redis.call('HGET', D .. ':d:' .. id, 'kind')

        members[#members + 1] = kind and kinds[kind] .. id
    end

    -- each string of a filter is a bit of the copy's index, and the old ones go

    local filter = redis.call('GET', D .. ':f:' .. name) or ''
    local _, quotes = string.gsub(filter, '"', '')

    cost = cost + #members + quotes

    add('m', name,
        score .. ' ' .. score_of(':n', name),
        filter .. '\n'
        .. (redis.call('GET', D .. ':sub:' .. name) or ''),
        table.concat(members, '\n'))
end

local take = {d = declaration, m = meaning, s = set}

while true do

    -- the next revision, which is taken as a whole

    local next_rev

    for what, list in pairs(lists) do
        local score = tonumber(list[at[what] + 1])

        if score and (not next_rev or score < next_rev) then
            next_rev = score
        end
    end

    if not next_rev then
        break
    end

    if cost >= most then
        cut = true
        break
    end

    for _, what in ipairs({'d', 'm', 's'}) do
        local list = lists[what]

        while tonumber(list[at[what] + 1]) == next_rev do
            take[what](list[at[what]], list[at[what] + 1])
            at[what] = at[what] + 2
        end
    end

    upto = next_rev
end

if cut then
    reply[2], reply[3] = upto, 0
end

if wrev > since and wrev <= reply[2] then
    local all = redis.call('HGETALL', D .. ':w')
    local watchers = {}

    for i = 1, #all, 2 do
        watchers[#watchers + 1] = cjson.encode(all[i]) .. ':' .. all[i + 1]
    end

    table.sort(watchers)
    reply[4] = '{' .. table.concat(watchers, ',') .. '}'
end

return reply
