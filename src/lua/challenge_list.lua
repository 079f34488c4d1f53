--@readonly
--@args after most
--@returns next challenges...
--@row challenges id digest purpose uses ends bind time by
-- A page of the tenant's challenges, by their ids.  KEYS[1]: mdm:{tenant/ca};
-- after: the last id of the page before, or ""; most: how many are looked at
-- {the last id of those or "" where there are no more, id, …}
--@include clock
--@include listed
local C = KEYS[1]

return listed.page({ids = C .. ':ids', item = C .. ':c:'}, clock(), after,
                   most, 'purpose')
