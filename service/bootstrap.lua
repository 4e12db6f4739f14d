-- First service of a node: starts those that every program relies on, then the one that `start` names.

local skynet = require "skynet"
require "skynet.manager"

--- The rest of the node cannot work without it: its failure ends the process.
local function start_or_abort(name)
  local is_started, handle = pcall(skynet.newservice, name)
  if not is_started then
    skynet.error(string.format("bootstrap: service %s does not start (%s): the node ends", name, handle))
    skynet.abort()
    skynet.exit()
  end
  return handle
end

local function start_single_node()
  if skynet.getenv "standalone" then
    error("bootstrap: harbor = 0 means a single node: standalone must not be set")
  end
  skynet.setenv("standalone", "true")
  return start_or_abort "cdummy"
end

--- The master of a harbor network, as many a single node is configured (Skynet's own example is): nobody can join it.
local function start_master_alone(harbor)
  local standalone = skynet.getenv "standalone"
  if not standalone then
    skynet.error(string.format("bootstrap: harbor = %d without standalone is one of several nodes: such networks are not there, "
      .. "skynet.cluster is (harbor = 0): the node ends", harbor))
    skynet.abort()
    skynet.exit()
  end
  skynet.error(string.format("bootstrap: harbor = %d, and networks of several nodes are not there: this node is alone, "
    .. "nothing listens on standalone = %s", harbor, standalone))
  return start_or_abort "cdummy"
end

local function start_tls()
  local service = require "skynet.service"
  service.new("ltls_holder", function()
    local tls = require "ltls.init.c"
    tls.constructor()
  end)
end

skynet.start(function()
  skynet.name(".launcher", assert(skynet.launch("snlua", "launcher"), "bootstrap: no launcher"))

  local harbor = tonumber(skynet.getenv "harbor" or 0)
  skynet.name(".cslave", harbor == 0 and start_single_node() or start_master_alone(harbor))

  if skynet.getenv "standalone" then
    skynet.name("DATACENTER", skynet.newservice "datacenterd")
  end
  skynet.newservice "service_mgr"

  if skynet.getenv "enablessl" == "true" then
    start_tls()
  end

  local start = skynet.getenv "start" or "main"
  local is_started, message = pcall(skynet.newservice, start)
  if not is_started then
    skynet.error(string.format("bootstrap: start service %s failed: %s", start, message))
  end
  skynet.exit()
end)
