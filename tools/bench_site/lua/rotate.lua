-- Gives each request the next value of a header: wrk -s rotate.lua URL -- NAME FILE, a value in each line of FILE.
local requests, at = {}, 0

init = function(args)
   for value in io.lines(args[2]) do
      requests[#requests + 1] = wrk.format(nil, nil, {[args[1]] = value})
   end
end

request = function()
   at = at % #requests + 1
   return requests[at]
end
