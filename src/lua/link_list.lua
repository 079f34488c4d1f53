--@readonly
--@args after most
--@returns next links...
--@row links id digest enrollment uses ends bind time by
-- A page of the tenant's links, by their ids.  KEYS[1]: mdm:{tenant/prof};
-- after: the last id of the page before, or ""; most: how many are looked at
-- {the last id of those or "" where there are no more, id, …}
--@include clock
--@include listed
local P = KEYS[1]

return listed.page({ids = P .. ':links', item = P .. ':link:'}, clock(), after,
                   most, 'enrollment')
