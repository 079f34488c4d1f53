-- what a channel reported goes, when it starts anew or is gone
local function status_forget(T, id)
    redis.call('DEL', T .. ':s:' .. id, T .. ':sr:' .. id, T .. ':se:' .. id)
end
