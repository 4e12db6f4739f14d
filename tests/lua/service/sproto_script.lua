local skynet = require "skynet"
local core = require "sproto.core"
local sproto = require "sproto"
local sprotoparser = require "sprotoparser"
local sprotoloader = require "sprotoloader"
local check = require "check"
local test, equal, raises = check.test, check.equal, check.raises

local FILE = skynet.getenv "schemas" .. "/chat.sproto"
local peer

local function ask(...) return skynet.call(peer, "lua", ...) end

local function hex(s) return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

local function test_objects()
  local schema = sproto.parse [[
    .Person { name 0 : string  age 1 : integer  marital 2 : boolean  children 3 : *Person }
    call 7 { request Person response { ok 0 : boolean } }
    bare 8 {}
  ]]
  test("a schema encodes what its documentation shows", function()
    local bob = { name = "Bob", age = 40, children = { { name = "Alice", age = 13 }, { name = "Carol", age = 5 } } }
    local message = schema:encode("Person", bob)
    equal(hex(message), "0400000052000100000003000000426f62260000000f000000020000001c0005000000416c696365"
      .. "0f000000020000000c00050000004361726f6c")
    equal({ schema:decode("Person", message) }, { bob, #message })
    equal((schema:pdecode("Person", schema:pencode("Person", bob))), bob)
    equal(sproto.unpack(sproto.pack(message)):sub(1, #message), message)
  end)
  test("a schema tells what it has", function()
    equal({ schema:exist_type "Person", schema:exist_type "person" }, { true, false })
    equal({ schema:exist_proto "call", schema:exist_proto(7), schema:exist_proto "x" }, { true, true, false })
    local protocol = schema:queryproto "call"
    equal({ protocol.name, protocol.tag, schema:queryproto(7) == protocol }, { "call", 7, true })
    raises("protocol x not found", schema.queryproto, schema, "x")
    raises("type x not found", schema.encode, schema, "x", {})
    raises("type x not found", schema.host, schema, "x")
  end)
  test("requests and responses are encoded by the name of their protocol", function()
    local message, tag = schema:request_encode("call", { age = 1 })
    equal({ message, tag }, { schema:encode("Person", { age = 1 }), 7 })
    equal({ schema:request_decode("call", message) }, { { age = 1 }, "call" })
    equal({ schema:request_encode("bare") }, { "", 8 })
    equal({ (schema:request_decode("bare", "")), select(2, schema:request_decode("bare", "")) }, { nil, "bare" })
    local answer = schema:response_encode("call", { ok = true })
    equal((schema:response_decode("call", answer)), { ok = true })
    equal(schema:response_encode("bare"), "")
    equal(schema:response_decode("bare", ""), nil)
  end)
  test("defaults have a value for each field", function()
    equal(schema:default "Person", { name = "", age = 0, marital = false, children = {} })
    equal(schema:default("call", "REQUEST"), schema:default "Person")
    equal(schema:default("call", "RESPONSE"), { ok = false })
    equal(schema:default("bare", "REQUEST"), nil)
    raises("Invalid type OTHER", schema.default, schema, "call", "OTHER")
  end)
  test("a schema that nobody holds any more is deleted", function()
    local number = sproto.parse(".T {}").__cobj
    collectgarbage()
    raises("no such sproto", core.querytype, number, "T")
    local shared = core.newproto(sprotoparser.parse ".T {}")
    equal(sproto.sharenew(shared):exist_type "T", true)
    collectgarbage()
    equal(core.querytype(shared, "T") ~= nil, true)
    core.deleteproto(shared)
  end)
  test("a schema that does not compile raises with its line", function()
    raises("syntax error at %[name%] line %(2%): ':' expected near 'string'", sprotoparser.parse, ".T {\n a 0 string", "name")
    raises("Undefined type 'U'", sproto.parse, ".T { a 0 : U }")
    raises("sproto bundle: not a whole message", sproto.new, "no bundle")
  end)
  test("a bundle is printed", function()
    sprotoparser.dump(sprotoparser.parse ".T { a 0 : string }")
    raises("a bundle is a string, not a nil", sprotoparser.dump)
  end)
end

-- As the parser in Lua of Skynet writes them: a word for each field that is left out, types in any order.
local function test_foreign_bundle()
  local function word(n) return string.pack("<I2", 2 * (n + 1)) end
  local function part(...) return string.pack("<s4", table.concat { ... }) end
  local skip, data = "\1\0", "\0\0"
  local function record(count, ...) return part(string.pack("<I2", count), ...) end
  local function field(name, builtin, kind, tag, count, ...)
    return record(count, data, builtin and word(builtin) or skip, kind and word(kind) or skip, word(tag),
      table.concat { ... }, part(name))
  end
  local fields = field("a", 0, nil, 0, 4) .. field("s", 2, nil, 1, 5, word(1)) .. field("b", 2, 1, 2, 4)
    .. field("t", nil, 0, 3, 4) .. field("ts", nil, 0, 4, 6, word(1), word(0)) .. field("d", 0, 2, 5, 4)
    .. field("map", nil, 2, 6, 7, word(1), word(0), word(1))
  local pair = field("key", 2, nil, 0, 4) .. field("value", 2, nil, 1, 4)
  local types = record(2, data, data, part "T", part(fields)) .. record(1, data, part "E")
    .. record(2, data, data, part "Pair", part(pair))
  local protocols = record(5, data, word(3), skip, skip, word(1), part "bar") .. record(2, data, word(4), part "hole")
    .. record(4, data, word(5), skip, word(0), part "foo") .. record(3, data, word(6), word(1), part "push")
  test("a bundle as Skynet writes it is read", function()
    local foreign = sproto.new("\2\0\0\0\0\0" .. part(types) .. part(protocols))
    local own = sproto.parse [[
      .T { a 0 : integer  s 1 : *string  b 2 : binary  t 3 : T  ts 4 : *T(a)  d 5 : integer(2)  map 6 : *Pair() }
      .E {}
      .Pair { key 0 : string  value 1 : string }
      bar 3 { response nil }  hole 4 {}  foo 5 { response T }  push 6 { request E }
    ]]
    local value = { a = -1, s = { "x", "" }, b = "\0", t = { d = 1.25 }, ts = { [7] = { a = 7 } }, map = { k = "v" } }
    equal({ foreign:decode("T", own:encode("T", value)) }, { own:decode("T", foreign:encode("T", value)) })
    equal((foreign:decode("T", own:encode("T", value))), value)
    for tag, name in pairs { [3] = "bar", [4] = "hole", [5] = "foo", [6] = "push" } do
      local a, b = foreign:queryproto(tag), own:queryproto(name)
      equal({ a.name, b.tag, not a.request, not a.response }, { name, tag, not b.request, not b.response })
    end
    equal(foreign:response_encode("bar", nil), "")
  end)
end

local function test_services()
  test("services share the schemas in slots", function()
    sprotoloader.register(FILE, 1)
    equal(ask "load", true)
    raises("nil sproto at index 9", sprotoloader.load, 9)
    raises("No such file", sprotoloader.register, FILE .. "x", 2)
  end)
  local own = sprotoloader.load(1):host "package"
  local request = own:attach(sprotoloader.load(1))
  test("a request is answered by another service", function()
    local kind, name, answer = ask("dispatch", request("login", { name = "n", secret = "\0\1" }, 17, "user"))
    equal({ kind, name }, { "REQUEST", "login" })
    equal({ own:dispatch(answer) }, { "RESPONSE", 17, { ok = true, people = { n = { name = "n", age = 30 } } }, "user" })
    raises("Unknown session", own.dispatch, own, answer)
  end)
  test("a request without a session has no responder", function()
    equal({ ask("dispatch", request "heartbeat") }, { "REQUEST", "heartbeat" })
  end)
  test("a response without content only confirms", function()
    local _, _, answer, text = ask("dispatch", request("say", { text = "hello" }, 18))
    equal(text, "hello")
    equal({ own:dispatch(answer) }, { "RESPONSE", 18, nil })
  end)
  test("a request of a protocol without content is answered as well", function()
    local _, _, answer = ask("dispatch", request("heartbeat", nil, 19))
    equal({ own:dispatch(answer) }, { "RESPONSE", 19, nil })
  end)
  test("messages that are none raise and change nothing", function()
    raises("Invalid unpack stream", own.dispatch, own, "\255")
    raises("decode error", own.dispatch, own, sproto.pack "\1")
    raises("session not found", own.dispatch, own, sproto.pack "\0\0")
    raises("protocol 99 not found", own.dispatch, own, sproto.pack(sprotoloader.load(1):encode("package", { type = 99 })))
    raises("Unknown session", own.dispatch, own, sproto.pack(sprotoloader.load(1):encode("package", { session = 99 })))
    raises("call failed", ask, "dispatch", "\255")
  end)
  test("another service may use a schema by its number until it is deleted", function()
    local schema = core.newproto(sprotoparser.parse ".T { age 1 : integer }")
    equal(hex(ask("use", schema, "T")), "020001000c00")
    core.deleteproto(schema)
    equal(hex(ask("use", schema, "T")), "020001000c00") -- it has it
    raises("call failed", skynet.call, skynet.newservice "sproto_peer", "lua", "use", schema, "T")
  end)
end

-- check.equal() looks four tables deep.
local function is_same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b and math.type(a) == math.type(b) end
  for key, value in pairs(a) do
    if not is_same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function make_value(depth)
  local value = {}
  local function maybe(key, make)
    if math.random(2) == 1 then value[key] = make() end
  end
  local function list(make)
    return function()
      local items = {}
      for i = 1, math.random(0, 5) do items[i] = make() end
      return items
    end
  end
  local function integer() return math.random(0) >> math.random(0, 63) end
  local function text()
    local bytes = {}
    for i = 1, math.random(0, 12) do bytes[i] = string.char(math.random(0, 255)) end
    return table.concat(bytes)
  end
  local function flag() return math.random(2) == 1 end
  local function real() return (math.random() - 0.5) * 2 ^ math.random(-30, 30) end
  maybe("i", integer)
  maybe("b", flag)
  maybe("s", text)
  maybe("d", real)
  maybe("is", list(integer))
  maybe("bs", list(flag))
  maybe("ss", list(text))
  maybe("ds", list(real))
  if depth < 4 then
    maybe("t", function() return make_value(depth + 1) end)
    maybe("ts", list(function() return make_value(depth + 1) end))
    maybe("map", function()
      local map = {}
      for _ = 1, math.random(0, 4) do map[text()] = integer() end
      return map
    end)
  end
  return value
end

local function test_chance()
  math.randomseed(skynet.getenv "seed" + 0)
  local schema = sproto.parse [[
    .Pair { key 2 : string  value 9 : integer }
    .T { i 0 : integer  b 3 : boolean  s 4 : string  d 5 : double  is 16 : *integer  bs 17 : *boolean
         ss 18 : *binary  ds 19 : *double  t 300 : T  ts 301 : *T  map 302 : *Pair() }
  ]]
  test("whatever is encoded comes back", function()
    for _ = 1, 300 do
      local value = make_value(1)
      local packed = schema:pencode("T", value)
      equal(is_same((schema:pdecode("T", packed)), value), true)
      equal(#sproto.unpack(packed) <= 8 * #packed, true)
    end
  end)
  test("whatever is changed or cut on its way is decoded or raises", function()
    for _ = 1, 3000 do
      local message = schema:encode("T", make_value(2))
      local at = math.random(#message)
      local changed = message:sub(1, at - 1) .. string.char(math.random(0, 255)) .. message:sub(at + 1, math.random(at, #message))
      local ok, err = pcall(schema.decode, schema, "T", changed)
      if not ok and not (err:find "decode error" or err:find "Can't find main index") then error(err) end
      pcall(sproto.unpack, changed)
      core.newproto(changed)
    end
  end)
end

local function test_oracle()
  test("messages have the bytes that another program gives them", function()
    local folder = skynet.getenv "oracle"
    local file <close> = assert(io.open(folder .. "/schema"))
    local schema = sproto.parse(file:read "a")
    local count = 0
    for line in io.lines(folder .. "/messages") do
      local source, bytes, packed = line:match "^(%S+) (%x+) (%x+)$"
      local value = load("return " .. source)()
      local message = schema:encode("T", value)
      equal(hex(message), bytes)
      equal(hex(sproto.pack(message)), packed)
      equal(is_same((schema:decode("T", message)), value), true)
      count = count + 1
    end
    equal(count, 300)
  end)
end

skynet.start(function()
  peer = skynet.newservice "sproto_peer"
  test_objects()
  test_foreign_bundle()
  test_services()
  test_chance()
  test_oracle()
  check.done()
end)
