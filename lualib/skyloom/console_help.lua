-- What `help` of the debug console says. Loaded with the first command.

local function entry(arguments, description, more)
  return { arguments = arguments, description = description, more = more }
end

local kAddress = "ADDRESS is hex, :hex or .name, as `list` and `service` show it."
local kTicks = "CS: centiseconds to wait for a service, 300 by default; 0 waits without limit."

return {
  help = entry("[COMMAND]", "this list, or more about one command"),
  list = entry("", "services that the launcher has started"),
  stat = entry("[CS]", "messages, queue, tasks and processor time of all services",
    kTicks .. "\ncpu: seconds; message: handled so far; mqlen: waiting; task: coroutines that wait."),
  mem = entry("[CS]", "Lua memory of all services", kTicks),
  gc = entry("[CS]", "collect the garbage of all services, then as mem", kTicks),
  info = entry("ADDRESS [ARGUMENTS]", "what the service tells about itself",
    kAddress .. "\nIt is what the function set with skynet.info_func returns."),
  ping = entry("ADDRESS", "how many centiseconds the service takes to answer", kAddress),
  task = entry("ADDRESS", "waiting coroutines of the service, with tracebacks", kAddress),
  uniqtask = entry("ADDRESS", "as task, equal tracebacks once", kAddress),
  killtask = entry("ADDRESS THREAD", "end a coroutine of the service",
    kAddress .. "\nTHREAD as `task` shows it, the word `thread:` may be left out."),
  exit = entry("ADDRESS", "ask the service to exit", kAddress),
  kill = entry("ADDRESS", "kill the service", kAddress),
  start = entry("SERVICE [ARGUMENTS]", "start a Lua service"),
  snax = entry("NAME [ARGUMENTS]", "start a snax service"),
  log = entry("SERVICE [ARGUMENTS]", "start a Lua service with a dump of its messages",
    "The dump is written to the folder that the key logpath names."),
  service = entry("", "services that exist once"),
  call = entry("ADDRESS EXPRESSIONS", "call the service",
    kAddress .. "\nEXPRESSIONS: values in Lua, as in: call :8 \"get\", 1, {x = 2}"),
  inject = entry("ADDRESS FILE [ARGUMENTS]", "run a Lua file inside the service",
    kAddress .. "\nThe code sees _U and _P (what the service's functions know); print is shown here."),
  debug = entry("ADDRESS", "look into the service step by step",
    kAddress .. "\nExpressions; watch(\"lua\" [, function(session, source, ...) return ... end]) stops in the"
    .. "\nnext message; then s steps, n steps over calls, c continues, _CO is the coroutine. cont leaves."),
  dbgcmd = entry("ADDRESS NAME [ARGUMENTS]", "any command of the debug protocol", kAddress),
  signal = entry("ADDRESS [NUMBER]", "signal the service: 0 breaks endless Lua code, 1 logs its memory",
    kAddress),
  logon = entry("ADDRESS", "begin to dump the messages of the service", kAddress),
  logoff = entry("ADDRESS", "end the dump of its messages", kAddress),
  trace = entry("ADDRESS [PROTOCOL] [on or off]", "trace all messages of a protocol, or none",
    kAddress .. "\nPROTOCOL is lua by default; without on or off tracing is as requests ask for it."),
  clearcache = entry("", "forget loaded Lua code: new services read their files again"),
  cmem = entry("", "C memory of all services"),
  jmem = entry("", "figures of the memory allocator"),
  netstat = entry("", "sockets and what went through them"),
  profactive = entry("[on or off]", "heap profile: is it active; start it; end it"),
  dumpheap = entry("", "write the heap profile"),
  getenv = entry("KEY", "a key of the configuration"),
  setenv = entry("KEY VALUE", "set a key that is not set yet"),
}
