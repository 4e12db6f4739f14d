local skynet = require "skynet"
local bson = require "bson"
local check = require "check"
local test, equal = check.test, check.equal

-- What a server of MongoDB would be sent, and everything that it could answer.
local function test_documents()
  test("a document of every type comes back", function()
    local sub = bson.encode_order("hello", 1, "world", 2)
    local value = {
      a = 1, b = true, c = bson.null, d = { 1, 2, 3, 4 }, e = bson.binary "hello", f = bson.regex("*", "i"),
      g = bson.regex "hello", h = bson.date(os.time()), i = bson.timestamp(os.time()), j = bson.objectid(),
      k = { a = false, b = true }, l = {}, m = bson.minkey, n = bson.maxkey, o = sub, p = 2 ^ 32 - 1,
    }
    local document = bson.encode(value)
    value.o = { hello = 1, world = 2 }
    equal(document:decode(), value)
    equal(bson.decode(tostring(document)), value)
    document:makeindex()
    document.a, document.b, document.h = 2, false, bson.date(7)
    value.a, value.b, value.h = 2, false, bson.date(7)
    equal(document:decode(), value)
  end)
  test("a document that is closed over by another one stays as it was", function()
    local inner = bson.encode { a = 1 }
    local outer = bson.encode { inner = inner }
    inner:makeindex()
    inner.a = 2
    equal(outer:decode(), { inner = { a = 1 } })
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
  local function text()
    local letters = {}
    for i = 1, math.random(0, 8) do letters[i] = utf8.char(math.random(1, 0xd7ff)) end
    return table.concat(letters)
  end
  local makers = {
    function() return math.random(0) >> math.random(0, 63) end,
    function() return (math.random() - 0.5) * 2 ^ math.random(-30, 30) end,
    function() return math.random(2) == 1 end,
    text,
    function() return bson.null end,
    function() return bson.date(math.random(-1000000, 1000000)) end,
    function() return bson.objectid() end,
    function() return bson.binary(text()) end,
    function() return bson.regex(text(), "i") end,
    function()
      local list = {}
      for i = 1, math.random(1, 5) do list[i] = make_value(depth + 1) end
      return list
    end,
    function()
      local map = {}
      for _ = 1, math.random(0, 5) do map["k" .. text()] = make_value(depth + 1) end
      return map
    end,
  }
  return makers[math.random(depth < 5 and #makers or #makers - 2)]()
end

local function test_chance()
  math.randomseed(skynet.getenv "seed" + 0)
  test("whatever is encoded comes back", function()
    for _ = 1, 500 do
      local value = { value = make_value(1) }
      equal(is_same(bson.encode(value):decode(), value), true)
    end
  end)
  test("whatever is changed or cut on its way is decoded or raises", function()
    for _ = 1, 3000 do
      local bytes = tostring(bson.encode { value = make_value(2) })
      local at = math.random(#bytes)
      local changed = bytes:sub(1, at - 1) .. string.char(math.random(0, 255)) .. bytes:sub(at + 1, math.random(at, #bytes))
      local ok, err = pcall(bson.decode, changed)
      if not ok and not err:find "Invalid bson document of" then error(err) end
    end
  end)
end

skynet.start(function()
  test_documents()
  test_chance()
  check.done()
end)
