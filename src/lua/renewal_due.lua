--@owes
--@args who address limit most seed blocks...
--@returns next full owed
-- Devices of a partition whose certificates are to be renewed by now.  One that
-- has enrolled by a block mdm_enrollment gets a new profile, which is queued by
-- the name of the block, and made when it is delivered; again after some days,
-- as long as no new certificate has spoken.  Of others it is told why not.
-- most: so many are looked at; seed: a random UUID that those of commands are
-- made of; blocks: of each block of the tenant its name, and the digest of what
-- no device lets a profile change, or "": it can make none now
-- {seconds until the next one, -1: there is none; 1: more may be due now; 1:
-- pushes are owed}
--@include event
--@include clock
--@include queue
local T = KEYS[1]
local now, most = clock(), tonumber(most)
local exp, day = T .. ':exp', 86400
local reply, digests = {-1, 0, 0}, {}

-- days until one that was asked is asked once more; the last one repeats
local days = {1, 2, 4, 7}

for i = blocks_at, #ARGV - 1, 2 do
    digests[ARGV[i]] = ARGV[i + 1]
end

local function reason(name, keys)
    local digest = digests[name or '']

    if not name then
        return 'no_enrollment'
    elseif not digest then
        return 'unknown_enrollment'
    elseif digest == '' then
        return 'no_topic'
    end

    return digest ~= keys and 'changed' or nil
end

local function ask(id, i, v)
    local ren = T .. ':ren:' .. id
    local n = redis.call('HINCRBY', ren, 'n', 1)
    local uuid = redis.call('HGET', ren, 'uuid')

    -- one that was refused, or that nobody has fetched: it is made anew

    if uuid and queue_has(T, id, uuid) then
        redis.call('HDEL', T .. ':c:' .. uuid, 'body', 'until')
        redis.call('HSET', T .. ':c:' .. uuid, 'ref', v.name)
    else
        uuid = string.sub(seed, 1, -13) .. string.format('%012X', i)
        redis.call('HSET', T .. ':c:' .. uuid, 'type', 'InstallProfile',
                   'ref', v.name, 'cert', v.cert, 'time', now, 'refs', 1)
        redis.call('HSET', ren, 'uuid', uuid)
        queue_add(T, id, uuid)
    end

    redis.call('HDEL', ren, 'told')
    push_owe(T, id)
    reply[3] = 1

    return days[math.min(n, #days)] * day
end

local function drop(id)
    local uuid = redis.call('HGET', T .. ':ren:' .. id, 'uuid')

    if uuid and queue_remove(T, id, uuid) then
        command_release(T, uuid, 1)
    end
end

local function lapse(id, v)
    local ren = T .. ':ren:' .. id

    drop(id)
    redis.call('ZREM', exp, id)

    if v.enabled then
        redis.call('HSET', T .. ':e:' .. id, 'lapsed', now)
        event(T, limit, 'mdm.CertificateLapsed', id,
              {cert = hex(v.cert), expired = v.ends,
               asked = tonumber(redis.call('HGET', ren, 'n') or '0')})
    end

    redis.call('UNLINK', ren)
end

local function look(id, i)
    local e = redis.call('HMGET', T .. ':e:' .. id, 'type', 'cert', 'cert_end',
                         'enabled', 'erased', 'blocked', 'enrollment', 'keys',
                         'out')
    local v = {cert = e[2], ends = tonumber(e[3] or ''), name = e[7],
               enabled = e[4] == '1' and not e[5]}

    -- the certificate of one that is blocked has gone aside

    if e[1] and e[6] then
        redis.call('ZADD', exp, now + day, id)
        return
    end

    if not v.cert or not v.ends then
        redis.call('ZREM', exp, id)
        redis.call('UNLINK', T .. ':ren:' .. id)
        return
    end

    if v.ends <= now then
        lapse(id, v)
        return
    end

    -- one that has just begun to enroll is enabled soon

    local wait = (v.enabled or e[9]) and day or 3600

    if v.enabled then
        local why = reason(v.name, e[8])

        if not why then
            wait = ask(id, i, v)

        elseif redis.call('HGET', T .. ':ren:' .. id, 'told') ~= why then
            drop(id)
            redis.call('HSET', T .. ':ren:' .. id, 'told', why)
            event(T, limit, 'mdm.CertificateDue', id,
                  {cert = hex(v.cert), expires = v.ends, reason = why,
                   enrollment = v.name or nil})
        end
    end

    redis.call('ZADD', exp, math.min(now + wait, v.ends), id)
end

local due = redis.call('ZRANGEBYSCORE', exp, '-inf', now, 'LIMIT', 0, most)

for i, id in ipairs(due) do
    look(id, i)
end

if #due == most then
    reply[2] = 1
end

local first = redis.call('ZRANGE', exp, 0, 0, 'WITHSCORES')

if first[2] then
    reply[1] = math.max(0, math.ceil(tonumber(first[2]) - now))
end

return reply
