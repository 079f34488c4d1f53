-- Events of values that changed and are watched.  Include event, ddm and
-- status_values before.

-- events of a report; bytes of a value in an event
local watch_told, watch_large = 100, 4096

-- Does "what" hold for who watches here?  A channel is in a set because it was
-- put there, or by the set's filter.
local function watch_in(T, who, set)
    if not set
        or redis.call('HEXISTS', T .. ':d:' .. who.id, 's:' .. set) == 1
    then
        return true
    end

    who.sets = who.sets or ddm_filter_sets(T, who.id, who.kind, who.device)

    return who.sets[set] or false
end

-- A function for the names of those who watch a path, sorted.  "watch" is JSON:
-- {"w":[[name, set or false], …], "p":{prefix: [index in w, from 1], …}}.
local function watch_by(T, who, watch)
    local all = cjson.decode(watch)
    local names, lengths, known, found = {}, {}, {}, {}

    for prefix in pairs(all.p) do
        if not known[#prefix] then
            known[#prefix] = true
            lengths[#lengths + 1] = #prefix
        end
    end

    local function name(i)
        if names[i] == nil then
            local w = all.w[i]

            names[i] = watch_in(T, who, w[2]) and w[1]
        end

        return names[i]
    end

    return function(path)
        local by, seen = found[path], {}

        if by then
            return by
        end

        by = {}
        found[path] = by

        for _, length in ipairs(lengths) do
            local list = length <= #path and all.p[string.sub(path, 1, length)]

            for _, i in ipairs(list or {}) do
                if name(i) and not seen[i] then
                    seen[i] = true
                    by[#by + 1] = name(i)
                end
            end
        end

        table.sort(by)

        return by
    end
end

local function watch_json(value)
    return value and #value <= watch_large and value or 'null'
end

-- a value has changed (false: there was none, there is none any more)
local function watch_event(T, limit, id, place, was, is, by)
    local path, element = string.match(place, '^([^\31]*)\31?(.*)$')
    local cut = was and #was > watch_large or is and #is > watch_large

    event(T, limit, 'mdm.StatusChanged', id,
          '{"item":' .. cjson.encode(path)
          .. (#path == #place and ''
              or ',"identifier":' .. cjson.encode(element))
          .. ',"old":' .. watch_json(was) .. ',"new":' .. watch_json(is)
          .. (cut and ',"large":true' or '')
          .. ',"watchers":' .. cjson.encode(by) .. '}')
end
