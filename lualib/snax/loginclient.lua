-- The client's side of a current login (snax.loginserver), for nodes and, with client.crypt, for plain Lua.
-- It knows no sockets. There is no way from here to the old algorithms: whoever strips the first line
-- off a server's answers gets an error and no token.
local crypt = require "client.crypt"
local login_keys = require "skyloom.login_keys"

local M = {}

---Logs in. Raises a text that begins with "login: " when the server, or somebody between, does not do as it should,
---or refuses the user ("login: 401 Unauthorized").
---@param read fun(): string? gives a line without its end; nil: there is none
---@param write fun(line: string) sends a line; the end is its affair
---@param token string for the server's auth_handler
---@param server_key string? the server's public key (32 bytes): no other server gets the token
---@return string subid
---@return string secret 32 bytes, for snax.msgserver
function M.log_in(read, write, token, server_key)
  local function next_line()
    return read() or error("the server has gone", 0)
  end
  local is_done, answer, secret = pcall(function()
    local hello, finish = login_keys.greet(next_line(), server_key)
    write(hello)
    local keys = finish(next_line())
    write(login_keys.seal(keys.client, token))
    local line = next_line()
    -- Only this one is said in the clear: the server has not understood the client.
    if line == "400 Bad Request" then error(line, 0) end
    return login_keys.unseal(keys.server, line), keys.secret
  end)
  if not is_done then error("login: " .. tostring(answer), 0) end
  local subid = answer:match "^200 (.*)$"
  if not subid then error("login: " .. answer, 0) end
  return crypt.base64decode(subid), secret
end

return M
