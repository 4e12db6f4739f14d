-- A DNS client for services that need answers with their life time, or another server than the system's
-- (skynet.socket.resolve asks the system). Each service has its own cache.
--
-- Asked in this order: the name itself when it is an address, the hosts file, the cache, the servers. Of
-- the configuration: dns_client_timeout (ms for one lookup, default 5000), dns_cache_max (names, default
-- 4096), dns_queue_max (lookups at once, default 1024), dns_hosts_file and dns_resolver_file (default /etc/hosts and /etc/resolv.conf).
local skynet = require "skynet"
local codec = require "skyloom.dns"

local PORT = 53
local TRIES = 2              -- at every server, within the time of one lookup
local TRY_CS_MIN = 20        -- the time for one try, however many servers there are
local ALIASES_MAX = 8        -- to be asked for, one after the other
local FILE_BYTES_MAX = 1 << 20

local M = {}

local servers ---@type {ip: string, port: integer}[]?
local hosts ---@type table<string, string[]>? kind and name to addresses
local lookups = {} -- kind and name to the waiters of a lookup that is under way
local lookup_count = 0

local function setting(name, default)
  return math.tointeger(tonumber(skynet.getenv(name))) or default
end

-- --- files

---The words of each line, without comments.
local function lines_of(path, comment)
  local file = io.open(path, "rb")
  if not file then return {} end
  local text = file:read(FILE_BYTES_MAX) or ""
  if file:read(1) then skynet.error(("dns: only the first %d bytes of %s are read"):format(FILE_BYTES_MAX, path)) end
  file:close()
  local lines = {}
  for line in text:gmatch "[^\r\n]+" do
    local words = {}
    for word in line:gsub(comment, ""):gmatch "%S+" do words[#words + 1] = word end
    if words[1] then lines[#lines + 1] = words end
  end
  return lines
end

local function read_hosts()
  local found = {}
  for _, words in ipairs(lines_of(skynet.getenv "dns_hosts_file" or "/etc/hosts", "#.*")) do
    local family = codec.family(words[1])
    for i = 2, family and #words or 0 do
      local key = (family == 4 and "A " or "AAAA ") .. words[i]:lower()
      found[key] = found[key] or {}
      table.insert(found[key], words[1])
    end
  end
  return found
end

local function read_servers()
  local found = {}
  for _, words in ipairs(lines_of(skynet.getenv "dns_resolver_file" or "/etc/resolv.conf", "[#;].*")) do
    local family, ip = codec.family(words[2] or "")
    if words[1] == "nameserver" and family then found[#found + 1] = { ip = ip, port = PORT } end
  end
  if #found == 0 then found[1] = { ip = "127.0.0.1", port = PORT } end
  return found
end

-- --- the cache: what was put in first goes first

local cache, order = {}, {}
local first, last, cached_count = 1, 0, 0

local function forget(entry)
  cache[entry.key], order[entry.serial] = nil, nil
  cached_count = cached_count - 1
end

local function keep(key, list, failure, seconds)
  if cache[key] then forget(cache[key]) end
  if seconds <= 0 then return end
  last = last + 1
  local entry = { key = key, serial = last, list = list, failure = failure, ends = skynet.now() + seconds * 100 }
  cache[key], order[last] = entry, entry
  cached_count = cached_count + 1
  local count_max = setting("dns_cache_max", 4096)
  while cached_count > count_max do
    if order[first] then forget(order[first]) end
    first = first + 1
  end
end

-- --- lookups

local function ask_servers(name, kind)
  servers = servers or read_servers()
  local exchange = require "skyloom.dns_exchange"
  local asked, cs = servers, setting("dns_client_timeout", 5000) // 10
  local share = math.max(cs // (TRIES * #asked), TRY_CS_MIN)
  local ends = skynet.now() + cs
  local failure = "timeout"
  for try = 0, TRIES * #asked - 1 do
    local server = asked[try % #asked + 1]
    local left = math.min(share, ends - skynet.now())
    if left <= 0 then break end
    local result = exchange.ask(server, name, kind, left)
    if result[1] ~= "failed" then return table.unpack(result, 1, 3) end
    failure = ("%s:%d: %s"):format(server.ip, server.port, tostring(result[2]))
  end
  return "failed", failure
end

---Asks, and goes on with what the name is an alias of. Returns the addresses, or nil and why; how long
---that may be kept; and whether the servers have said so.
local function look_up(name, kind)
  local life = math.huge
  local asked = name
  for _ = 1, ALIASES_MAX do
    local verdict, detail, found = ask_servers(asked, kind)
    if verdict == "failed" then return nil, "timeout or no answer (" .. detail .. ")", 0, false end
    life = math.min(life, detail)
    if verdict == "addresses" then return found, nil, life, true end
    if verdict == "no name" then return nil, "no such name", life, true end
    if verdict == "no address" then return nil, ("no %s address"):format(kind), life, true end
    asked = found
  end
  return nil, ("more than %d aliases"):format(ALIASES_MAX), 0, true
end

local function run(lookup, name, kind)
  local called, list, failure, life, is_told = pcall(look_up, name, kind)
  if not called then list, failure, life, is_told = nil, list, 0, false end
  local known = cache[lookup.key]
  if is_told then
    if lookup.is_wanted then keep(lookup.key, list, failure, life) end
  elseif known and known.list then
    list, failure = known.list, nil -- too old, and better than nothing
  end
  lookup.is_over, lookup.list, lookup.failure = true, list, failure
  if lookups[lookup.key] == lookup then lookups[lookup.key] = nil end
  lookup_count = lookup_count - 1
  for _, token in ipairs(lookup) do skynet.wakeup(token) end
end

---One lookup for all who ask for the same at once.
local function join_lookup(key, name, kind)
  local lookup = lookups[key]
  if not lookup then
    local count_max = setting("dns_queue_max", 1024)
    if count_max > 0 and lookup_count >= count_max then return nil, "dns queue full" end
    lookup = { key = key, is_wanted = true }
    lookups[key], lookup_count = lookup, lookup_count + 1
    skynet.fork(run, lookup, name, kind)
  end
  local token = {}
  lookup[#lookup + 1] = token
  repeat
    skynet.wait(token)
  until lookup.is_over
  return lookup.list, lookup.failure
end

local function find(name, kind)
  local key = kind .. " " .. name
  hosts = hosts or read_hosts()
  if hosts[key] then return hosts[key] end
  if name == "localhost" or name:find "%.localhost$" then return { kind == "A" and "127.0.0.1" or "::1" } end
  local entry = cache[key]
  if entry and skynet.now() < entry.ends then return entry.list, entry.failure end
  return join_lookup(key, name, kind)
end

-- --- public

local function server_of(ip, port)
  local family, usual = codec.family(tostring(ip))
  if not family then error(("dns.server: %s is no IP address"):format(tostring(ip)), 3) end
  port = port or PORT
  if not math.tointeger(port) or port < 1 or port > 65535 then
    error(("dns.server: port %s: must be 1 to 65535"):format(tostring(port)), 3)
  end
  return { ip = usual, port = math.tointeger(port) }
end

---Sets whom to ask; what is cached stays.
---@param ip string|(string|{ip: string, port: integer?})[]|nil an IP address, or a list that is asked in its
---  order; nil: what the resolver file says
---@param port integer? default 53
---@return string ip of the first server
function M.server(ip, port)
  if ip == nil then
    servers = read_servers()
  elseif type(ip) ~= "table" then
    servers = { server_of(ip, port) }
  else
    local list = {}
    for i, each in ipairs(ip) do
      list[i] = type(each) == "table" and server_of(each.ip, each.port or port) or server_of(each, port)
    end
    if #list == 0 then error("dns.server: an empty list of servers", 2) end
    servers = list
  end
  return servers[1].ip
end

---The addresses of a name; waits for the servers. Raises when it has none or nobody answers; then an old
---answer is better than none.
---@param name string host name, or an IP address
---@param ipv6 boolean? default: IPv4
---@return string? ip the first one; nil: `name` can be no name
---@return string[]|string ips all of them, or what is wrong with `name`
function M.resolve(name, ipv6)
  if type(name) ~= "string" then error(("dns.resolve: %s is no name"):format(tostring(name)), 2) end
  local family = codec.family(name)
  if family then
    if (family == 6) ~= (ipv6 and true or false) then return nil, "illegal ip address" end
    return name, { name }
  end
  if not codec.is_name(name) then return nil, "illegal name" end
  name = name:lower():gsub("%.$", "")
  local list, failure = find(name, ipv6 and "AAAA" or "A")
  if not list then error(("dns.resolve %s: %s"):format(name, failure), 2) end
  return list[1], table.move(list, 1, #list, 1, {})
end

---Forgets all answers and the hosts file. A lookup that is under way is still answered, and not kept.
function M.flush()
  cache, order = {}, {}
  first, last, cached_count = 1, 0, 0
  hosts = nil
  for key, lookup in pairs(lookups) do
    lookup.is_wanted = false
    lookups[key] = nil
  end
end

return M
