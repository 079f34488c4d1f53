-- Events of values that changed and are watched.  Include event, ddm and
-- status_values before.

-- events of a report; bytes of those of a script, and of a value in an event
local watch_told, watch_room, watch_large = 100, 262144, 4096

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

-- A function for the names of those who watch a path, as a list in JSON; false:
-- nobody does.  "watch" is JSON: {"w":[[name, set or false], …], "g":[[index in
-- w, from 1], …], "x":1, "p":{path: index in g, from 1, …}}; with "x":0 paths
-- are prefixes, of which the longest counts.
local function watch_by(T, who, watch)
    local all = cjson.decode(watch)
    local names, lengths, known, found = {}, {}, {}, {}

    for prefix in pairs(all.x == 0 and all.p or {}) do
        if not known[#prefix] then
            known[#prefix] = true
            lengths[#lengths + 1] = #prefix
        end
    end

    table.sort(lengths, function(a, b)
        return a > b
    end)

    local function name(i)
        if names[i] == nil then
            local w = all.w[i]

            names[i] = watch_in(T, who, w[2]) and w[1]
        end

        return names[i]
    end

    local function group(path)
        local i = all.p[path]

        for _, length in ipairs(lengths) do
            if i then
                break
            end

            i = length < #path and all.p[string.sub(path, 1, length)]
        end

        return i
    end

    return function(path)
        local i, by = group(path), {}

        if not i then
            return false
        end

        if found[i] == nil then
            for _, k in ipairs(all.g[i]) do
                by[#by + 1] = name(k) or nil
            end

            table.sort(by)
            found[i] = #by > 0 and cjson.encode(by)
        end

        return found[i]
    end
end

local function watch_json(value)
    return value and #value <= watch_large and value or 'null'
end

-- A value has changed (false: there was none, there is none any more).  Returns
-- the bytes of the event, about.
local function watch_event(T, limit, id, place, was, is, by)
    local path, element = string.match(place, '^([^\31]*)\31?(.*)$')
    local cut = was and #was > watch_large or is and #is > watch_large

    event(T, limit, 'mdm.StatusChanged', id,
          '{"item":' .. cjson.encode(path)
          .. (#path == #place and ''
              or ',"identifier":' .. cjson.encode(element))
          .. ',"old":' .. watch_json(was) .. ',"new":' .. watch_json(is)
          .. (cut and ',"large":true' or '')
          .. ',"watchers":' .. by .. '}')

    return #path + #place + #by + math.min(#(was or ''), watch_large)
           + math.min(#(is or ''), watch_large)
end
