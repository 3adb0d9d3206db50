-- Sends 16 requests at once: the answers come back to back.
init = function(args)
   local one = wrk.format()
   pipelined = string.rep(one, 16)
end

request = function()
   return pipelined
end
