-- May a public key take a challenge, and what is known of that?
-- KEYS[1]: mdm:{tenant/chal:<SHA-256 of it>}.  0: it may; 1: it has taken it;
-- -1: there is none, or it has expired; -2: others have taken it
local function challenge_for(spki)
    local v = redis.call('HMGET', KEYS[1], 'id', 'purpose', 'bind', 'uses',
                         'used', 'until', 'k:' .. spki, 'd:' .. spki)

    if not v[1] then
        return -1, v
    end

    if v[7] then
        return 1, v
    end

    if (tonumber(v[6] or '') or 0) <= clock() then
        return -1, v
    end

    return (tonumber(v[5] or '') or 0) < (tonumber(v[4] or '') or 0)
           and 0 or -2, v
end

-- the answer; "new": serial number, dates and CA of one that is taken now
local function challenge_reply(code, v, new)
    if code == -1 then
        return {code}
    end

    -- whoever brings one that is used up has it from somebody: which one is it?

    if code == -2 then
        return {code, v[1], v[2] or ''}
    end

    local was = code == 1
                and {string.match(v[7], '^(%x+) (%d+) (%d+) (.*)$')} or new

    return {code, v[1], v[2] or '', v[3] or '', was[1] or '', was[2] or '',
            was[3] or '', was[4] or '', code == 1 and v[8] or ''}
end
