-- where it is kept that a topic is stopped: with its certificate, or by itself
-- if that comes from a file
local function push_stop_place(P, topic, file)
    return P .. (file == '1' and ':s:' or ':c:') .. topic
end
