// sproto.core: the bytes of its documentation, and scripts that mean harm.
#include <gtest/gtest.h>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

constexpr ptrdiff_t kTypesOfSchema = 4;
constexpr const char* kPrepare = R"(
  core = require 'sproto.core'
  function hex(s) return (s:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end
  function bytes(s) return (s:gsub('%x%x', function(d) return string.char(tonumber(d, 16)) end)) end
  schema = assert(core.newproto(core.compile([[
    .Person { name 0 : string  age 1 : integer  marital 2 : boolean  children 3 : *Person }
    .Data { numbers 0 : *integer  bools 1 : *boolean  number 2 : integer  bignumber 3 : integer
            double 4 : double  doubles 5 : *double  strings 6 : *string  price 7 : integer(2)
            prices 8 : *integer(3)  binary 9 : binary  person 20 : Person }
    .Pair { key 0 : string  value 1 : integer }
    .Book { people 0 : *Person(name)  map 1 : *Pair() }
    call 1 { request Person response Data }
    confirmed 2 { response nil }
    bare 3 {}
  ]])))
  types = {}
  for _, name in ipairs { 'Person', 'Data', 'Pair', 'Book' } do
    types[name] = assert(core.querytype(schema, name))
  end
  function encoded(name, t) return hex(core.encode(types[name], t)) end
  function decoded(name, digits) return core.decode(types[name], bytes(digits)) end
  local function text(v)
    if type(v) ~= 'table' then return math.type(v) == 'float' and ('%.17g'):format(v) .. 'f' or tostring(v) end
    local parts = {}
    for k, x in pairs(v) do parts[#parts + 1] = tostring(k) .. '=' .. text(x) end
    table.sort(parts)
    return '{' .. table.concat(parts, ' ') .. '}'
  end
  described = text
  function there_and_back(name, t)
    local message = core.encode(types[name], t)
    local result, used = core.decode(types[name], message)
    assert(used == #message)
    return text(result)
  end
)";

class SprotoTest : public ::testing::Test {
 protected:
  SprotoTest() { EXPECT_EQ(script_.run(kPrepare), "nil"); }
  std::string run(std::string_view code) { return script_.run(code); }

  Script script_;
};

TEST_F(SprotoTest, EncodesTheExamplesOfItsDocumentation) {
  EXPECT_EQ(run("return encoded('Person', { name = 'Alice', age = 13, marital = false })"),
            "030000001c00020005000000416c696365");
  EXPECT_EQ(
      run(R"(return encoded('Person', { name = 'Bob', age = 40, children = {
      { name = 'Alice', age = 13 }, { name = 'Carol', age = 5 } } }))"),
      "0400000052000100000003000000426f62260000000f000000020000001c0005000000416c6963650f000000"
      "020000000c00050000004361726f6c");
  EXPECT_EQ(run("return encoded('Data', { numbers = { 1, 2, 3, 4, 5 } })"),
            "010000001500000004"
            "0100000002000000030000000400000005000000");
  EXPECT_EQ(run("return encoded('Data', { numbers = { (1<<32)+1, (1<<32)+2, (1<<32)+3 } })"),
            "010000001900000008"
            "010000000100000002000000010000000300000001000000");
  EXPECT_EQ(run("return encoded('Data', { bools = { false, true, false } })"),
            "02000100000003000000000100");
  EXPECT_EQ(run("return encoded('Data', { number = 100000, bignumber = -10000000000 })"),
            "030003000000000004000000a086010008000000001cf4abfdffffff");
}

TEST_F(SprotoTest, DecodesTheExamplesOfItsDocumentation) {
  EXPECT_EQ(run("return described(decoded('Person', '030000001c00020005000000416c696365'))"),
            "{age=13 marital=false name=Alice}");
  EXPECT_EQ(run("return described(decoded('Data', "
                "'030003000000000004000000a086010008000000001cf4abfdffffff'))"),
            "{bignumber=-10000000000 number=100000}");
}

TEST_F(SprotoTest, PutsSmallNumbersIntoTheirWords) {
  EXPECT_EQ(run("return encoded('Data', { number = 0 })"), "020003000200");
  EXPECT_EQ(run("return encoded('Data', { number = 32766 })"), "02000300feff");
  EXPECT_EQ(run("return encoded('Data', { number = 32767 })"), "02000300000004000000ff7f0000");
  EXPECT_EQ(run("return encoded('Data', { number = -1 })"), "02000300000004000000ffffffff");
  EXPECT_EQ(run("return encoded('Data', { number = 2^31 })"),
            "020003000000080000000000008000000000");
  EXPECT_EQ(run("return encoded('Data', {})"), "0000");
}

TEST_F(SprotoTest, WidensAnArrayWhenALaterNumberNeedsIt) {
  EXPECT_EQ(run("return encoded('Data', { numbers = { -1, 2, 1 << 40 } })"),
            "010000001900000008"
            "ffffffffffffffff02000000000000000000000000010000");
}

TEST_F(SprotoTest, BringsEveryTypeBack) {
  EXPECT_EQ(
      run(R"(return there_and_back('Data', {
      numbers = { math.maxinteger, math.mininteger, 0 }, bools = { true, false }, number = -7,
      double = 0.1, doubles = { -0.5, 1e300 }, strings = { 'a', '', 'b\0c' }, price = 12.34,
      prices = { 0.001, -5 }, binary = '\0\255', person = { name = 'n', children = {} } }))"),
      "{binary=" + std::string("\0\xff", 2) +
          " bools={1=true 2=false} double=0.10000000000000001f "
          "doubles={1=-0.5f 2=1.0000000000000001e+300f} number=-7 "
          "numbers={1=9223372036854775807 2=-9223372036854775808 3=0} "
          "person={children={} name=n} price=12.34f prices={1=0.001f 2=-5f} strings={1=a 2= 3=" +
          std::string("b\0c", 3) + "}}");
}

TEST_F(SprotoTest, ReadsArraysWithKeysAndMaps) {
  EXPECT_EQ(run(R"(return there_and_back('Book', {
      people = { x = { name = 'A', age = 1 }, y = { name = 'B' } },
      map = { one = 1, two = 2 } }))"),
            "{map={one=1 two=2} people={A={age=1 name=A} B={name=B}}}");
  EXPECT_THAT(
      run("core.encode(types.Book, { people = { { age = 1 } } }) "
          "return core.decode(types.Book, core.encode(types.Book, { people = { { age = 1 } } }))"),
      HasSubstr("Can't find main index (tag=0) in [people]"));
}

TEST_F(SprotoTest, AsksMetamethodsForFieldsElementsAndPairs) {
  EXPECT_EQ(run(R"(
    local list = setmetatable({}, { __index = function(_, i) return i <= 3 and i * i or nil end })
    local data = setmetatable({}, { __index = { numbers = list, number = 5 } })
    return there_and_back('Data', data))"),
            "{number=5 numbers={1=1 2=4 3=9}}");
  EXPECT_EQ(run(R"(
    local map = setmetatable({}, { __pairs = function()
      return function(_, k) if not k then return 'a', 1 elseif k == 'a' then return 'b', 2 end end
    end })
    return there_and_back('Book', { map = map }))"),
            "{map={a=1 b=2}}");
  EXPECT_EQ(run(R"(  -- one that encodes itself
    local data = setmetatable({}, { __index = function(_, name)
      if name == 'binary' then return core.encode(types.Person, { name = ('x'):rep(5000) }) end
    end })
    return #core.decode(types.Data, core.encode(types.Data, data)).binary)"),
            "5008");
}

TEST_F(SprotoTest, TakesNumbersAsTextAndTextAsNumbersAsLuaDoes) {
  EXPECT_EQ(run("return there_and_back('Person', { name = 12, age = '13' })"), "{age=13 name=12}");
  EXPECT_EQ(run("return there_and_back('Person', { age = 13.0 })"), "{age=13}");
}

TEST_F(SprotoTest, RaisesForValuesOfOtherTypesAndNamesThem) {
  const auto error = [&](const char* name, const char* table) {
    return run(std::string("core.encode(types.") + name + ", " + table + ")");
  };
  EXPECT_THAT(error("Person", "{ age = 'x' }"),
              HasSubstr(".age[0] is not an integer (Is a string)"));
  EXPECT_THAT(error("Person", "{ age = 1.5 }"),
              HasSubstr(".age[0] is not an integer (Is a number)"));
  EXPECT_THAT(error("Person", "{ name = {} }"), HasSubstr(".name[0] is not a string (Is a table)"));
  EXPECT_THAT(error("Person", "{ marital = 1 }"),
              HasSubstr(".marital[0] is not a boolean (Is a number)"));
  EXPECT_THAT(error("Data", "{ double = true }"),
              HasSubstr(".double[0] is not a number (Is a boolean)"));
  EXPECT_THAT(error("Data", "{ person = 'x' }"),
              HasSubstr(".person[0] is not a table (Is a string)"));
  EXPECT_THAT(error("Data", "{ numbers = 5 }"),
              HasSubstr(".*numbers(0) should be a table or an userdata with metamethods "
                        "(Is a number)"));
  EXPECT_THAT(error("Data", "{ numbers = { 1, 'x' } }"),
              HasSubstr(".numbers[2] is not an integer (Is a string)"));
  EXPECT_THAT(error("Data", "{ bools = { true, 0 } }"), HasSubstr(".bools[2] is not a boolean"));
  EXPECT_THAT(error("Data", "{ price = 1e300 }"), HasSubstr(".price[0] is out of range"));
  EXPECT_THAT(error("Data", "{ price = 0/0 }"), HasSubstr(".price[0] is out of range"));
  EXPECT_THAT(error("Book", "{ map = setmetatable({}, { __pairs = 5 }) }"), HasSubstr("call"));
  EXPECT_THAT(error("Person", "'x'"), HasSubstr("table expected, got string"));
}

TEST_F(SprotoTest, EncodesNoCycles) {
  EXPECT_THAT(run("local p = {} p.children = { p } core.encode(types.Person, p)"),
              HasSubstr("The table is too deep"));
  EXPECT_EQ(run(R"(
    local p = {}
    for _ = 2, 64 do p = { children = { p } } end
    return #core.encode(types.Person, p) > 0)"),
            "true");
}

TEST_F(SprotoTest, RaisesForMessagesThatAreNone) {
  EXPECT_THAT(run("decoded('Person', '')"), HasSubstr("decode error: 0 bytes are no whole Person"));
  EXPECT_THAT(run("decoded('Person', '01000000ffffffff41')"), HasSubstr("decode error"));
  EXPECT_THAT(run("core.decode(types.Person, 5, 5)"), HasSubstr("light userdata expected"));
  EXPECT_THAT(run("core.decode(types.Person, debug.upvalueid(described, 1), -1)"),
              HasSubstr("size -1"));
  EXPECT_THAT(run("core.unpack('\\255')"), HasSubstr("Invalid unpack stream"));
}

TEST_F(SprotoTest, DecodesFromPointersAndIntoTables) {
  EXPECT_EQ(run(R"(
    local message = core.encode(types.Person, { name = 'n', age = 3 })
    local writer = require('skynet.stm').new(message .. 'rest')
    local reader = require('skynet.stm').newcopy(require('skynet.stm').copy(writer))
    local _, same, used = reader(function(p, size)
      local t = { marital = true, age = 1 }
      local result, used = core.decode(types.Person, p, size, t)
      return rawequal(result, t) and described(t), used
    end)
    return same .. used - #message)"),
            "{age=3 marital=true name=n}0");
  EXPECT_EQ(run("local t = {} return core.decode(types.Person, bytes '0000', t) == t"), "true");
}

TEST_F(SprotoTest, TellsProtocolsByNameAndTag) {
  EXPECT_EQ(
      run("local tag, request, response = core.protocol(schema, 'call') "
          "return tag .. tostring(request == types.Person) .. tostring(response == types.Data)"),
      "1truetrue");
  EXPECT_EQ(run("return (core.protocol(schema, 1))"), "call");
  EXPECT_EQ(run("return select('#', core.protocol(schema, 9))"), "0");
  EXPECT_EQ(run("return select('#', core.protocol(schema, 'x'))"), "0");
  EXPECT_EQ(run("local _, request, response = core.protocol(schema, 'bare') "
                "return tostring(request) .. tostring(response)"),
            "nilnil");
  EXPECT_EQ(run("local _, request, response = core.protocol(schema, 'confirmed') "
                "return tostring(request) .. type(response) .. core.encode(response, nil) .. '.' "
                ".. select('#', core.decode(response, ''))"),
            "niluserdata.0");
  EXPECT_EQ(run("return core.querytype(schema, 'Nobody')"), "nil");
}

TEST_F(SprotoTest, GivesDefaults) {
  EXPECT_EQ(run("return described(core.default(types.Data))"),
            "{bignumber=0 binary= bools={} double=0f doubles={} number=0 numbers={} "
            "person={__type=Person} price=0f prices={} strings={}}");
}

TEST_F(SprotoTest, PacksAndUnpacks) {
  EXPECT_EQ(run("return hex(core.pack(bytes '080000000300020019000000aa010000'))"),
            "510803023119aa01");
  EXPECT_EQ(run("return hex(core.unpack(bytes '510803023119aa01'))"),
            "080000000300020019000000aa010000");
  EXPECT_EQ(run("return core.unpack(core.pack(''))"), "");
}

TEST_F(SprotoTest, ADeletedSchemaIsGone) {
  EXPECT_EQ(run("core.deleteproto(schema)"), "nil");
  EXPECT_THAT(run("core.querytype(schema, 'Person')"), HasSubstr("no such sproto"));
  EXPECT_THAT(run("core.encode(types.Person, {})"), HasSubstr("no such sproto"));
  EXPECT_EQ(run("core.deleteproto(schema)"), "nil");
}

TEST_F(SprotoTest, ASchemaMayBeDeletedWhileItEncodes) {
  EXPECT_EQ(run(R"(
    local data = setmetatable({}, { __index = function(_, name)
      core.deleteproto(schema)
      collectgarbage()
      return name == 'number' and 5 or nil
    end })
    return #core.encode(types.Data, data))"),
            "6");
}

TEST_F(SprotoTest, InventedHandlesAreRefused) {
  for (const char* const handle :
       {"5", "'x'", "nil", "{}", "io.stdout", "debug.upvalueid(described, 1)", "types.Person"}) {
    EXPECT_THAT(run(std::string("core.querytype(") + handle + ", 'Person')"), HasSubstr("error"));
    EXPECT_THAT(run(std::string("core.saveproto(") + handle + ", 1)"), HasSubstr("error"));
    EXPECT_THAT(run(std::string("core.dumpproto(") + handle + ")"), HasSubstr("error"));
  }
  EXPECT_THAT(run("core.encode(schema, {})"), HasSubstr("a sproto instead of a type of it"));
  EXPECT_THAT(run("core.deleteproto(types.Person)"), HasSubstr("a sproto type instead"));
  // As unpacked from bytes that another service has made up: a schema that is there, a type that
  // is not.
  lua_State* const L = script_.state();
  lua_getglobal(L, "schema");
  lua_pushlightuserdata(L, static_cast<char*>(lua_touserdata(L, -1)) + kTypesOfSchema + 1);
  lua_setglobal(L, "invented");
  lua_pop(L, 1);
  for (const char* const call :
       {"encode(invented, {})", "decode(invented, bytes '0000')", "default(invented)"}) {
    EXPECT_THAT(run(std::string("return core.") + call), HasSubstr("no such sproto type")) << call;
  }
}

TEST_F(SprotoTest, ABrokenBundleGivesNilAndAReason) {
  EXPECT_EQ(run("local schema, why = core.newproto('x') return tostring(schema) .. ' ' .. why"),
            "nil sproto bundle: not a whole message");
  EXPECT_THAT(run("core.compile('.T {', 'file')"), HasSubstr("syntax error at [file] line (1)"));
}

TEST_F(SprotoTest, SlotsAreSharedAndOutliveWhoFilledThem) {
  Script other;
  ASSERT_EQ(other.run(kPrepare), "nil");
  EXPECT_EQ(run("core.saveproto(schema, 15) core.deleteproto(schema)"), "nil");
  EXPECT_EQ(other.run("schema = core.loadproto(15) "
                      "return hex(core.encode(core.querytype(schema, 'Person'), { age = 1 }))"),
            "020001000400");
  // Who has loaded it keeps it.
  EXPECT_EQ(run("core.saveproto(core.newproto(core.compile('.T {}')), 15)"), "nil");
  EXPECT_EQ(other.run("return core.querytype(schema, 'T')"), "nil");
  EXPECT_NE(other.run("return core.querytype(core.loadproto(15), 'T')"), "nil");
  EXPECT_THAT(run("core.saveproto(core.loadproto(15), 16)"), HasSubstr("slot 16: must be 0 to 15"));
  EXPECT_THAT(run("core.loadproto(-1)"), HasSubstr("slot -1"));
  EXPECT_THAT(run("core.loadproto(14)"), HasSubstr("nil sproto at index 14"));
}

TEST_F(SprotoTest, DescribesItself) {
  EXPECT_THAT(run("return core.dumpproto(schema)"), HasSubstr("\n  map 1 : *Pair()\n"));
}

TEST(SprotoMemory, MayFailAnywhere) {
  expect_that_memory_may_fail("core = require 'sproto.core'", R"(
    local schema = assert(core.newproto(core.compile(
      '.T { s 0 : string t 1 : *T(s) is 2 : *integer } p 1 { request T }')))
    local kind = core.querytype(schema, 'T')
    local message = core.encode(kind, { s = ('x'):rep(3000), t = { { s = 'a' } }, is = { 1, 2 } })
    local t = core.decode(kind, core.unpack(core.pack(message)))
    core.deleteproto(schema)
    assert(#t.s == 3000 and t.t.a.s == 'a' and t.is[2] == 2)
    return 'done')");
}

}  // namespace
}  // namespace skyloom::lua
