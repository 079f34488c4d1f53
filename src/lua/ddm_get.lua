--@readonly
--@args id device cert key other
--@returns code token template vars subs other
-- One declaration of a channel: of the manifest that was handed out, or of
-- the newest.
-- key: "kind/id" (key form); other: another one or ""
-- {0, ServerToken, token of the template ("-": made here), variables (JSON
-- or ""), subscriptions (JSON or ""), 1 if it is the other one}; {404}: it
-- is not assigned; {code of auth()}
--@include auth
--@include era_of
local T = KEYS[1]
local code = auth(T, device, cert)

if code ~= 0 then
    return {code}
end

local v = redis.call('HMGET', T .. ':e:' .. id, 'dm', 'dt', 'parent',
                     'era')

if era_before(T, v[3], v[4]) ~= 0 then
    return {404}
end

for _, manifest in ipairs({v[1] or '', v[2] or ''}) do

    local d = manifest ~= ''
              and redis.call('HMGET', T .. ':dm:' .. manifest, key,
                             other, 'vars', 'subs')

    if d and (d[1] or other ~= '' and d[2]) then
        local token, template = string.match(d[1] or d[2], '^(%S+) (%S+)$')

        return {0, token, template, d[3] or '', d[4] or '', d[1] and 0 or 1}
    end
end

return {404}
