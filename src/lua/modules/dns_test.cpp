#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lua/modules/script_test.hpp"

namespace skyloom::lua {
namespace {

using ::testing::HasSubstr;

class DnsModuleTest : public ::testing::Test {
 protected:
  DnsModuleTest() {
    EXPECT_EQ(script_.run(R"(
      dns = require "skyloom.dns"
      -- An answer to a query: flags and so many answers, which follow.
      function answer(packet, flags, count, records)
        local body = packet:sub(13)
        return packet:sub(1, 2) .. string.pack(">HHHHH", flags, 1, count, 0, 0) .. body .. records
      end
      function record(type, ttl, data)
        return "\xc0\x0c" .. string.pack(">HHI4s2", type, 1, ttl, data)
      end
      -- What read() gives for the answer that `make` makes of a query, as a text.
      function verdict(type, make)
        local packet, id = dns.query("Www.example.com", type)
        local results = table.pack(dns.read(make(packet), id, "www.EXAMPLE.com", type))
        local texts = {}
        for i = 1, results.n do
          local value = results[i]
          texts[i] = _G.type(value) == "table" and table.concat(value, "+")
            or tostring(value)
        end
        return table.concat(texts, " ")
      end)"),
              "nil");
  }

  std::string value(const std::string& expression) { return script_.run("return " + expression); }
  std::string verdict(const std::string& type, const std::string& flags_count_records) {
    return value("verdict('" + type + "', function(p) return answer(p, " + flags_count_records +
                 ") end)");
  }

  Script script_;
};

TEST_F(DnsModuleTest, NamesAndAddressesAreToldApart) {
  EXPECT_EQ(value("dns.is_name 'example.com'"), "true");
  EXPECT_EQ(value("dns.is_name 'exa mple.com'"), "false");
  EXPECT_EQ(value("dns.is_name ''"), "false");
  EXPECT_EQ(value("dns.family '127.0.0.1'"), "4");
  EXPECT_EQ(value("dns.family '::1'"), "6");
  EXPECT_EQ(value("select(2, dns.family 'FE80:0::1')"), "fe80::1");
  EXPECT_EQ(value("dns.family '127.1'"), "nil");
  EXPECT_EQ(value("dns.family '[::1]'"), "nil");
  EXPECT_EQ(value("dns.family 'example.com'"), "nil");
}

TEST_F(DnsModuleTest, AQueryIsAPacketWithARandomId) {
  EXPECT_EQ(script_.run(R"(
    local seen, different = {}, 0
    for _ = 1, 200 do
      local packet, id = dns.query("example.com", "AAAA")
      assert(string.unpack(">H", packet) == id)
      assert(packet:sub(3) == "\1\0\0\1\0\0\0\0\0\0\7example\3com\0\0\28\0\1")
      if not seen[id] then seen[id], different = true, different + 1 end
    end
    return different > 150)"),
            "true");
  EXPECT_THAT(value("dns.query('a b', 'A')"), HasSubstr("no host name"));
  EXPECT_THAT(value("dns.query('a', 'MX')"), HasSubstr("invalid option 'MX'"));
}

TEST_F(DnsModuleTest, AnswersAreReadAsTexts) {
  EXPECT_EQ(
      verdict("A", "0x8180, 2, record(1, 60, '\\1\\2\\3\\4') .. record(1, 50, '\\5\\6\\7\\8')"),
      "addresses 50 1.2.3.4+5.6.7.8");
  EXPECT_EQ(verdict("AAAA", "0x8180, 1, record(28, 60, ('\\0'):rep(15) .. '\\1')"),
            "addresses 60 ::1");
  EXPECT_EQ(verdict("A", "0x8180, 1, record(5, 60, '\\5other\\3net\\0')"), "alias 60 other.net");
  EXPECT_EQ(verdict("A", "0x8183, 0, ''"), "no name 0");
  EXPECT_EQ(verdict("A", "0x8180, 0, ''"), "no address 0");
  EXPECT_EQ(verdict("A", "0x8185, 0, ''"), "refused 5");
  EXPECT_EQ(verdict("A", "0x8380, 1, ''"), "truncated");
  EXPECT_EQ(verdict("A", "0x8180, 1, ''"), "broken");
  EXPECT_EQ(verdict("A", "0x0180, 0, ''"), "foreign");
}

TEST_F(DnsModuleTest, ArgumentsAreChecked) {
  EXPECT_THAT(value("dns.read('', 65536, 'a', 'A')"), HasSubstr("id 65536: must be 0 to 65535"));
  EXPECT_THAT(value("dns.read('', 1, '', 'A')"), HasSubstr("no host name"));
  EXPECT_THAT(value("dns.read('', 1, 'a', 'B')"), HasSubstr("invalid option 'B'"));
}

}  // namespace
}  // namespace skyloom::lua
