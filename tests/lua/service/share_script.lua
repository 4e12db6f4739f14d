-- Shared tables and multicast between services.
local skynet = require "skynet"
require "skynet.manager"
local sharedata = require "skynet.sharedata"
local sharetable = require "skynet.sharetable"
local datasheet = require "skynet.datasheet"
local builder = require "skynet.datasheet.builder"
local dump = require "skynet.datasheet.dump"
local multicast = require "skynet.multicast"
local service = require "skynet.service"
local is_alive = require "skyloom.scheduler".is_alive
local check = require "check"
local dead_callers = require "dead_callers"
local test = check.test

local peer

local function ask(...) return skynet.call(peer, "lua", ...) end

local function is_read(expected, ...)
  local path = table.pack(...)
  check.wait_until(function()
    local is_done, value = pcall(ask, "read", table.unpack(path))
    return is_done and value == expected
  end)
end

local function nested(depth)
  local value = {}
  for _ = 2, depth do value = { value } end
  return value
end

local function test_sharedata()
  test("a table is read by others, and an update reaches all parts", function()
    sharedata.new("first", { a = 1, b = { "hello", "world" }, gone = { 1 } })
    local whole, part, gone = ask("open", "sharedata", "first"), ask("open", "sharedata", "first", "b"),
      ask("open", "sharedata", "first", "gone")
    check.equal({ ask("read", whole, "a"), ask("read", part, 2), ask("length", part) }, { 1, "world", 2 })
    sharedata.update("first", { a = 2, b = { "changed" } })
    is_read(2, whole, "a")
    check.equal({ ask("read", part, 1), ask("length", part) }, { "changed", 1 })
    check.raises("call failed", ask, "read", gone, 1)
  end)
  test("the one who updates reads the new version, too", function()
    local object = sharedata.query "first"
    local part = object.b
    sharedata.update("first", { c = 3 })
    check.wait_until(function() return object.c == 3 end)
    check.raises("The key %[b%] doesn't exist after update", function() return part[1] end)
    check.equal({ object.a, object.b }, {})
  end)
  test("a part that went and came back is read anew", function()
    sharedata.new("returning", { a = 1, b = { "hello", "world" } })
    local number = ask("open", "sharedata", "returning")
    sharedata.update("returning", { a = 2 })
    is_read(2, number, "a")
    check.equal(ask("read", number, "b"), nil)
    sharedata.update("returning", { a = 3, b = { "change" } })
    is_read("change", number, "b", 1)
    check.equal({ ask("read", number, "a"), ask("read", number, "b", 2) }, { 3 })
  end)
  test("a shared table is packed as a table", function()
    sharedata.new("packed", { 1, 2, x = { y = 1 } })
    check.equal(skynet.unpack(skynet.packstring(sharedata.query "packed")), { 1, 2, x = { y = 1 } })
    local bson = require "bson"
    local decoded = bson.decode(bson.encode { t = sharedata.query "packed", u = sharedata.query("packed").x })
    check.equal(decoded, { t = { ["1"] = 1, ["2"] = 2, x = { y = 1 } }, u = { y = 1 } })
  end)
  test("a table is made of source, of its globals or of what it gives back", function()
    sharedata.new("globals", "x, y = ..., string.rep('a', 3)", 5)
    check.equal({ sharedata.query("globals").x, sharedata.query("globals").y }, { 5, "aaa" })
    sharedata.new("result", "return {...}", 7, 8)
    check.equal({ table.unpack(sharedata.query "result") }, { 7, 8 })
    sharedata.new "empty"
    check.equal(pairs(sharedata.query "empty")(sharedata.query "empty"), nil)
  end)
  test("deepcopy gives a plain table of any part", function()
    sharedata.new("copied", { a = { b = { 1, { 2 } } } })
    local copy = sharedata.deepcopy("copied", "a", "b")
    copy[3] = "mine"
    check.equal(copy, { 1, { 2 }, "mine" })
    check.equal(sharedata.deepcopy("copied", "a", "nothing", "more"), nil)
    check.equal(sharedata.deepcopy("copied", "a", "b", 1), 1)
  end)
  test("flush keeps what is in use", function()
    local object = sharedata.query "copied"
    local part = object.a
    sharedata.flush()
    check.equal({ object.a == part, part.b[1], sharedata.query "copied" == object }, { true, 1, true })
  end)
  test("names are taken once, and unknown ones raise", function()
    check.raises("call failed", sharedata.new, "copied", {})
    check.raises("call failed", sharedata.query, "unknown")
    check.raises("call failed", sharedata.delete, "unknown")
    check.raises("call failed", sharedata.new, "syntax", "x x")
    check.raises("call failed", sharedata.new, "kind", 5)
    sharedata.update("made by update", { 1 })
    check.equal(sharedata.query("made by update")[1], 1)
  end)
  test("what cannot be shared raises where it is given, and leaves the old version", function()
    check.raises("cannot share a function as the value of 'f'", sharedata.update, "copied", { f = print })
    local cycle = {}
    cycle[1] = cycle
    check.raises("contains itself", sharedata.update, "copied", cycle)
    check.raises("more than 200 deep", sharedata.update, "copied", nested(201))
    check.equal(sharedata.query("copied").a.b[1], 1)
  end)
  test("a deleted table stays with those who read it", function()
    local number = ask("open", "sharedata", "copied", "a")
    local object = sharedata.query "copied"
    sharedata.delete "copied"
    check.wait_until(function() return not pcall(sharedata.query, "copied") end)
    check.equal({ object.a.b[1], ask("read", number, "b", 1) }, { 1, 1 })
    sharedata.new("copied", { "again" })
    check.equal(sharedata.query("copied")[1], "again")
  end)
  test("readers see whole versions in order while they are updated", function()
    sharedata.new("rising", { version = 0, copy = { 0 } })
    local number = ask("open", "sharedata", "rising")
    local result = check.in_background(ask, "read_rising", number, 300)
    for version = 1, 300 do sharedata.update("rising", { version = version, copy = { version } }) end
    check.equal(result(), { true, 300, n = 2 })
  end)
  test("old versions end when nobody reads them", function()
    local host = require("skynet.sharedata.core")
    local daemon = skynet.uniqueservice "sharedatad"
    local old = skynet.call(daemon, "lua", "query", "rising")
    skynet.send(daemon, "lua", "confirm", old)
    check.equal(host.getref(old) >= 1, true)
    sharedata.update("rising", { version = 301, copy = { 301 } })
    check.wait_until(function()
      ask "collect"
      local is_there, references = pcall(host.getref, old)
      return not is_there or references == 0
    end)
  end)
  test("a service that ended before it confirmed refers to nothing", function()
    local host = require("skynet.sharedata.core")
    local daemon = skynet.uniqueservice "sharedatad"
    local function collect()
      check.equal({ skynet.call(daemon, "debug", "RUN", [[
        local f = _P.lua.command.update
        for _, name in ipairs { "retire", "collect_soon", "collect" } do
          local i = 1
          while debug.getupvalue(f, i) ~= name do i = i + 1 end
          f = select(2, debug.getupvalue(f, i))
        end
        f()]]) }, { true, "" })
    end
    sharedata.new("taken", { 1 })
    local mortal = skynet.newservice "share_reader"
    local number = skynet.call(mortal, "lua", "take", "taken")
    check.equal({ skynet.call(mortal, "lua", "take", "taken") == number, host.getref(number) }, { true, 3 })
    skynet.send(daemon, "lua", "confirm", number) -- it is not ours to give back
    collect()
    check.equal(host.getref(number), 3)
    skynet.kill(mortal)
    collect()
    check.equal(host.getref(number), 1)
  end)
  test("readers that were killed while they wait for an update cost nothing", function()
    -- Each stayed until the next update, if there ever was one, and made all later ones wait longer.
    sharedata.new("waited for", { 1 })
    local sharedatad = skynet.uniqueservice "sharedatad"
    local number = skynet.call(sharedatad, "lua", "query", "waited for")
    local cost = dead_callers(sharedatad, function() return "monitor", "waited for", number end)
    builder.new("waited for", { 1 })
    local sheets = service.query "datasheet"
    number = skynet.call(sheets, "lua", "query", "waited for")
    local cost_of_sheet = dead_callers(sheets, function() return "monitor", "waited for", number end)
    check.equal({ cost < 300, cost_of_sheet < 300 }, { true, true })
  end)
  test("a number that somebody made up breaks nothing", function()
    local daemon = skynet.uniqueservice "sharedatad"
    local made_up = debug.upvalueid(ask, 1)
    check.raises("call failed", skynet.call, daemon, "lua", "new", "made up", made_up)
    skynet.send(daemon, "lua", "confirm", made_up)
    local host = require("skynet.sharedata.core")
    local number = host.new { 1 }
    skynet.call(daemon, "lua", "new", "stolen", number)
    host.delete(number)
    check.raises("call failed", sharedata.query, "stolen")
    sharedata.update("stolen", { 2 })
    check.equal(sharedata.query("stolen")[1], 2)
  end)
end

local function test_sharetable()
  test("tables, sources and files are shared", function()
    sharetable.loadtable("table", { x = 1, y = { "hello" }, ["two words"] = true })
    sharetable.loadstring("string", "return { ... }", 1, 2, 3)
    local file = os.tmpname()
    local f <close> = assert(io.open(file, "w"))
    f:write "local x = ... return { x = x }"
    f:flush()
    sharetable.loadfile(file, 5)
    os.remove(file)
    local t = sharetable.query "table"
    check.equal(t, { x = 1, y = { "hello" }, ["two words"] = true })
    check.equal(sharetable.query "string", { 1, 2, 3 })
    check.equal({ sharetable.query(file).x, sharetable.query "unknown" }, { 5 })
    check.equal(sharetable.query "table" == t, true)
  end)
  test("next sees what is in them", function()
    local seen = {}
    for key, value in next, sharetable.query "table" do seen[key] = value end
    check.equal(seen, { x = 1, y = { "hello" }, ["two words"] = true })
    sharetable.loadtable("empty", {})
    check.equal(next(sharetable.query "empty"), nil)
  end)
  test("queryall gives those that were asked for, or all", function()
    local all, some = sharetable.queryall(), sharetable.queryall { "string", "unknown" }
    check.equal({ all.table.x, all.string[3], all.unknown }, { 1, 3 })
    check.equal(some, { string = { 1, 2, 3 } })
  end)
  test("an update reaches what was asked for before, here and elsewhere", function()
    local number = ask("open", "sharetable", "table", "y")
    local t = sharetable.query "table"
    local y = t.y
    sharetable.loadtable("table", { x = 2, y = { "changed" } })
    check.equal({ t.x, y[1], ask("read", number, 1) }, { 1, "hello", "hello" })
    check.equal(sharetable.query("table").x, 2)
    sharetable.update("table", "unknown")
    ask("update", "table")
    check.equal({ t.x, y[1], t.y == y, t["two words"], ask("read", number, 1) }, { 2, "changed", true, nil, "changed" })
  end)
  test("a part that an update takes away keeps what it was", function()
    local t = sharetable.query "table"
    local y = t.y
    sharetable.loadtable("table", { x = 3 })
    sharetable.update "table"
    check.equal({ t.x, y[1], t.y }, { 3, "changed" })
  end)
  test("they cannot be changed", function()
    local t = sharetable.query "table"
    check.raises("attempt to change a shared table", function() t.x = 5 end)
    check.raises("attempt to change a shared table", function() t.new = 5 end)
    check.equal({ t.x, sharetable.is_sharedtable(t), sharetable.is_sharedtable {} }, { 3, true, false })
  end)
  test("what fails leaves the old table", function()
    check.raises("call failed", sharetable.loadstring, "table", "error 'no'")
    check.raises("call failed", sharetable.loadstring, "table", "return 5")
    check.raises("call failed", sharetable.loadfile, "/nowhere")
    check.raises("cannot share a function", sharetable.loadtable, "table", { print })
    check.raises("not a table but a string", sharetable.loadtable, "table", "x")
    check.equal(sharetable.query("table").x, 3)
  end)
  test("a huge table is shared without copies and read by its parts", function()
    local huge = {}
    for i = 1, 100000 do huge[i] = { id = i, name = "name" .. i } end
    sharetable.loadtable("huge", huge)
    huge = nil
    collectgarbage()
    local before = collectgarbage "count"
    local t = sharetable.query "huge"
    check.equal({ #t, t[1].id, t[100000].name, t[100001] }, { 100000, 1, "name100000" })
    check.equal(collectgarbage "count" - before < 1024, true)
    local sum = 0
    for _, row in ipairs(t) do sum = sum + row.id end
    check.equal(sum, 100000 * 100001 // 2)
    sharetable.loadtable("huge", {})
  end)
end

local function test_documents()
  local sheet = require "skynet.datasheet.core"
  local core = require "skynet.sharedata.core"
  test("documents that nobody made are refused", function()
    for _, document in ipairs { "", "x", ("\6"):rep(100), "\2", "\255\255" } do
      check.equal({ document, (pcall(sheet.stringpointer, document)) }, { document, false })
    end
    check.raises("no shared table", sheet.new, core.index(core.new { {} }, 1))
    check.raises("datasheet expected", sheet.update, {}, core.new {})
  end)
  test("a sheet is read from a document and follows its update", function()
    local t = sheet.new(sheet.stringpointer(skynet.packstring { 5, x = true }))
    check.equal({ t[1], t.x }, { 5, true })
    sheet.update(t, core.new { 7 })
    check.equal({ t[1], t.x }, { 7 })
  end)
  -- { 7, -1.5, false, name = "ann", row = { "name" } }, as Skynet's own builder writes it.
  test("a sheet is read from a document of Skynet's builder", function()
    local outer = string.pack("<I4I4c8i4fI4I4I4I4I4", 3, 2, "\1\2\3\5\4\0\0\0", 7, -1.5, 0, 0, 5, 9, 1)
    local inner = string.pack("<I4I4c4I4", 1, 0, "\5\0\0\0", 0)
    local function document(tables) return string.pack("<I4I4I4I4", 16 + #tables, 2, 0, #outer) .. tables .. "name\0ann\0row\0" end
    local t = sheet.new(sheet.stringpointer(document(outer .. inner)))
    check.equal({ t[1], t[2], t[3], #t, t.name, t.row[1], #t.row }, { 7, -1.5, false, 3, "ann", "name", 1 })
    check.raises("Invalid serialize stream", sheet.stringpointer, document(outer .. inner:gsub("\5", "\6")))
  end)
end

local function test_datasheet()
  test("a sheet follows its updates, with its parts", function()
    builder.new("sheet", { a = 1, b = 2, c = { 3 }, d = { 4 } })
    local number = ask("open", "datasheet", "sheet", "c")
    local t = datasheet.query "sheet"
    local c, d = t.c, t.d
    check.equal({ t.a, c[1], d[1], ask("read", number, 1) }, { 1, 3, 4, 3 })
    builder.update("sheet", { b = 4, c = { 5 } })
    check.wait_until(function() return t.b == 4 end)
    check.equal({ c[1], t.a, t.d }, { 5 })
    check.raises("The key %[d%] doesn't exist after update", function() return d[1] end)
    is_read(5, number, 1)
  end)
  test("a part that becomes a number is lost, and one that comes back is a new one", function()
    builder.new("parts", { a = 1, c = { 3 } })
    local t = datasheet.query "parts"
    local lost = t.c
    builder.update("parts", { a = 6, c = 7, d = { 8 } })
    check.wait_until(function() return t.a == 6 end)
    check.equal({ t.c, t.d[1] }, { 7, 8 })
    check.raises("The key %[c%] doesn't exist after update", function() return lost[1] end)
    builder.update("parts", { a = 9, c = { 10 } })
    check.wait_until(function() return t.a == 9 end)
    check.equal({ t.c[1], t.c == lost, t.d }, { 10, false })
    check.raises("The key %[c%] doesn't exist after update", function() return lost[1] end)
  end)
  test("a document is as good as its table", function()
    local document = builder.compile { 1, x = { 2.5, "text", true } }
    check.equal(dump.undump(document), { 1, x = { 2.5, "text", true } })
    builder.new("compiled", document)
    check.equal(datasheet.query("compiled").x[2], "text")
    check.raises("datasheet", dump.undump, skynet.packstring "x")
    check.raises("no document", builder.new, "compiled", skynet.packstring "x")
  end)
  test("diff tells what changed, came and went", function()
    local last = dump.dump { same = 1, changed = 1, gone = 1, inner = { 1, { 2 } } }
    local current = dump.dump { same = 1, changed = 1.0, new = { 3 }, inner = { 1, { 4 } } }
    check.equal(dump.diff(last, last), nil)
    local diff = dump.diff(last, current)
    check.equal(diff.changed.inner, { changed = { [2] = { changed = { { value = 4 } }, gone = {} } }, gone = {} })
    diff.changed.inner = nil
    check.equal(diff, { changed = { changed = { value = 1.0 }, new = { value = { 3 } } }, gone = { "gone" } })
  end)
  test("unknown sheets and what cannot be shared raise", function()
    check.raises("call failed", datasheet.query, "unknown")
    check.raises("cannot share a function", builder.new, "sheet", { print })
    check.equal(datasheet.query("sheet").b, 4)
  end)
  test("the service of the sheets answers all its commands, and ends when it is told to", function()
    local function call(...) return skynet.call(service.query "datasheet", "lua", ...) end
    local t, number = datasheet.query "sheet", call("query", "sheet")
    call("release", number)
    call("collect", number)
    check.equal({ call("query", "sheet"), t.b }, { number, 4 })
    check.raises("call failed", call, "forget")
    local sheets = service.query "datasheet"
    call "close"
    check.equal(t.c[1], 5)
    check.wait_until(function() return not is_alive(sheets) end)
    check.raises("deleted", require("skynet.sharedata.core").box, number)
    check.equal(service.close "datasheet", false)
  end)
end

local function count_received(number)
  check.wait_until(function() return #ask "received" >= number end)
  return ask "received"
end

local function test_multicast()
  local channel = multicast.new()
  test("a channel says which it is", function()
    check.equal(tostring(channel), string.format("[Multicast:%x]", channel.channel))
  end)
  test("what is published comes to all that subscribe, in order", function()
    local mine = {}
    local own = multicast.new { channel = channel.channel, dispatch = function(_, _, ...) mine[#mine + 1] = { ... } end }
    own:subscribe()
    ask("subscribe", channel.channel)
    channel:publish("first", { 1 })
    channel:publish(string.rep("x", 100000))
    local told = count_received(2)
    check.equal(told[1], { skynet.self(), "first", { 1 } })
    check.equal({ told[2][1], #told[2][2] }, { skynet.self(), 100000 })
    check.equal({ mine[1], #mine[2][1] }, { { "first", { 1 } }, 100000 })
    own:unsubscribe()
    channel:publish "only there"
    count_received(3)
    check.equal(#mine, 2)
  end)
  test("who has left gets nothing more", function()
    ask "unsubscribe"
    channel:publish "nobody"
    check.equal(#ask "received", 3)
  end)
  test("a subscriber that ends with messages in its mailbox keeps nobody's package", function()
    local mortal = skynet.newservice "share_reader"
    skynet.call(mortal, "lua", "subscribe", channel.channel)
    skynet.kill(mortal)
    for i = 1, 100 do channel:publish(i, string.rep("x", 1000)) end
    ask("subscribe", channel.channel)
    channel:publish "after"
    check.equal(count_received(4)[4][2], "after")
  end)
  test("a subscriber that is gone leaves the group with the next message", function()
    local daemon = skynet.uniqueservice "multicastd"
    local own = multicast.new {}
    local function count()
      local _, output = skynet.call(daemon, "debug", "RUN", "print(_P.multicast.counts[...])", "count", own.channel)
      return output
    end
    local living, mortal = skynet.newservice "share_reader", skynet.newservice "share_reader"
    skynet.call(living, "lua", "subscribe", own.channel)
    skynet.call(mortal, "lua", "subscribe", own.channel)
    check.equal(count(), "2")
    skynet.kill(mortal)
    check.wait_until(function()
      own:publish "who is there"
      return count() == "1"
    end)
    check.equal(#skynet.call(living, "lua", "received") >= 1, true)
    skynet.kill(living)
    own:delete()
  end)
  test("a message that a service has not read when it ends closes its package", function()
    local core = require "skynet.multicast.core"
    local mortal = skynet.newservice "share_reader"
    local package, size = core.pack(skynet.pack "unread")
    local letter = skynet.tostring(package, size)
    local copy = require("skynet.socketdriver").str2p(letter)
    core.bind(package, 1)
    skynet.redirect(mortal, skynet.self(), "multicast", 1, letter)
    skynet.kill(mortal)
    check.wait_until(function() return not pcall(core.unpack, copy, size) end)
    skynet.trash(copy, size)
  end)
  test("another pack and unpack may be used", function()
    local seen
    local own = multicast.new { pack = function(s) return skynet.pack(s .. "!") end,
      unpack = function(msg, sz) return skynet.unpack(msg, sz) .. "?" end,
      dispatch = function(_, _, text) seen = text end }
    own:subscribe()
    own:publish "text"
    check.wait_until(function() return seen end)
    check.equal(seen, "text!?")
    own:delete()
    check.raises("deleted", own.publish, own, "x")
    check.raises("deleted", own.subscribe, own)
  end)
  test("channels that there are not cannot be subscribed", function()
    channel:delete()
    for _, id in ipairs { 0x7fffff00 | skynet.harbor(skynet.self()), 1 } do
      local none = multicast.new { channel = id, dispatch = print }
      check.raises("cannot subscribe to channel", none.subscribe, none)
    end
    check.raises("a channel is an integer", multicast.new, { channel = "x" })
    check.raises("not a table but a number", multicast.new, 256)
    check.raises("no dispatch function", multicast.new({}).subscribe, multicast.new {})
  end)
  test("a package that somebody made up is refused", function()
    local daemon = skynet.uniqueservice "multicastd"
    local id = multicast.new({}).channel
    check.raises("call failed", skynet.call, daemon, "lua", "PUB", id, nil, 8)
    local made_up = debug.upvalueid(function() return daemon end, 1)
    check.raises("call failed", skynet.call, daemon, "lua", "PUB", id, made_up, 8)
    skynet.redirect(peer, skynet.self(), "multicast", id, string.rep("x", 8))
    skynet.redirect(peer, skynet.self(), "multicast", id, "x")
    check.equal(#ask "received" >= 4, true)
  end)
end

local function register_types()
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write ".place { x 0 : integer  y 1 : integer  name 2 : string }"
  file:close()
  require("skynet.sharemap").register(name)
  os.remove(name)
end

local function test_sharemap()
  local sharemap = require "skynet.sharemap"
  register_types()
  local writer = sharemap.writer("place", { x = 1, y = 2, name = "first" })
  test("a reader of a map has what was committed when it opened", function()
    writer.x = 5
    check.equal(ask("open_map", "place", writer:copy()), { x = 1, y = 2, name = "first" })
    check.equal({ ask "update_map" }, { false, { x = 1, y = 2, name = "first" } })
  end)
  test("an update reads the last commit, and fields that it has not go", function()
    writer:commit()
    writer.x, writer.name = 6, nil
    writer:commit()
    check.equal({ ask "update_map" }, { true, { x = 6, y = 2 } })
    check.equal({ ask "update_map" }, { false, { x = 6, y = 2 } })
  end)
  test("a map holds what its type has", function()
    writer.y = "text"
    check.equal(pcall(writer.commit, writer), false)
    check.raises("type none not found", sharemap.writer, "none", {})
  end)
end

local function test_mqueue()
  test("messages of type queue are handled one at a time", function()
    local queue = skynet.newservice "mqueue_service"
    local mqueue = require "skynet.mqueue"
    local results = check.in_parallel(5, function(i) return mqueue.call(queue, "step", i) end)()
    for i = 1, 5 do check.equal(results[i], { true, i, i, n = 3 }) end
    mqueue.send(queue, "step", 6)
    check.equal({ mqueue.call(queue, "size") }, { 0 })
    check.raises("call failed", mqueue.call, queue, "fail")
    check.raises("a function is expected", mqueue.register)
    check.equal({ mqueue.call(queue, "step", 7) }, { 7, 7 })
  end)
end

skynet.start(function()
  peer = skynet.newservice "share_reader"
  test_sharedata()
  test_sharetable()
  test_datasheet()
  test_documents()
  test_multicast()
  test_sharemap()
  test_mqueue()
  check.done()
end)
