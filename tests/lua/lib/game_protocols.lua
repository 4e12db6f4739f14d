-- What the clients and the agents of sproto_game.lua send each other. Also read by a plain Lua program.
local sprotoparser = require "sprotoparser"

local package = [[
.package {
  type 0 : integer
  session 1 : integer
  ud 2 : string
}
]]

local protocols = {}

protocols.to_server = sprotoparser.parse(package .. [[
exchange 1 {                  # keys, of dhexchange
  request { key 0 : binary }
  response { key 0 : binary  challenge 1 : binary }
}
login 2 {
  request { proof 0 : binary  token 1 : binary }
  response { result 0 : boolean  name 1 : string }
}
set 3 { request { what 0 : string  value 1 : string } }  # no answer
get 4 {
  request { what 0 : string }
  response { result 0 : string }
}
fail 5 { response { never 0 : boolean } }
quit 6 { response nil }
]])

protocols.to_client = sprotoparser.parse(package .. [[
changed 1 { request { what 0 : string  value 1 : string } }
add 2 {
  request { a 0 : integer  b 1 : integer }
  response { sum 0 : integer }
}
]])

return protocols
