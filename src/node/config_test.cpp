#include "node/config.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>

#include "net/poller/real_poller.hpp"

namespace skyloom::node {
namespace {

// Contract 3.8 and the tables of limits, typed once more: a default that moves must move here, too.
const ConfigValues kExpectedDefaults = {
    {"thread", "8"},
    {"harbor", "1"},
    {"bootstrap", "snlua bootstrap"},
    {"logger", ""},
    {"logservice", "logger"},
    {"logpath", ""},
    {"cpath", "./cservice/?.so"},
    {"daemon", ""},
    {"profile", "true"},
    {"net_threads", "0"},
    {"io_backend", "auto"},
    {"net_max_sockets", "0"},
    {"net_reserve_fds", "16"},
    {"net_max_per_listener", "0"},
    {"net_max_per_ip", "0"},
    {"net_accept_rate", "0"},
    {"net_first_byte_timeout", "0"},
    {"net_accept_backoff", "10"},
    {"net_connect_timeout", "15000"},
    {"net_handshake_timeout", "5000"},
    {"net_idle_timeout", "0"},
    {"net_keepalive_idle", "0"},
    {"net_keepalive_interval", "0"},
    {"net_keepalive_count", "0"},
    {"net_user_timeout", "0"},
    {"net_write_timeout", "60000"},
    {"net_linger_timeout", "30000"},
    {"net_linger_discard", "8388608"},
    {"net_orphan_grace", "100"},
    {"net_wbuffer_max", "268435456"},
    {"net_wbuffer_policy", "close"},
    {"net_wbuffer_total", "2147483648"},
    {"net_warn_size", "1048576"},
    {"net_read_max", "65536"},
    {"net_turn_budget", "262144"},
    {"net_inflight_max", "67108864"},
    {"dns_timeout", "5000"},
    {"dns_queue_max", "1024"},
    {"mailbox_max", "1000000"},
    {"mailbox_max_bytes", "1073741824"},
    {"mailbox_warn", "1024"},
    {"message_max", "1073741824"},
    {"timer_max", "0"},
    {"log_queue_max", "65536"},
    {"log_rate", "10"},
    {"log_line_max", "65536"},
    {"monitor_interval", "5000"},
    {"shutdown_timeout", "30000"},
    {"gate_frame_max", "16777215"},
    {"gate_frame_timeout", "30000"},
};

// The value that a row holds after `text` was given for its key; nullopt when it was refused.
std::optional<std::string> taken(const ConfigRow& row, const std::string& text) {
  ConfigValues values{{std::string(row.key), text}};
  const auto config = parse(values);
  if (!config) return std::nullopt;
  return value_text(row, *config);
}

void expect_refused(const ConfigRow& row, const std::string& text) {
  ConfigValues values{{std::string(row.key), text}};
  const ConfigValues before = values;
  const auto config = parse(values);
  ASSERT_FALSE(config.ok()) << row.key << " took \"" << text << '"';
  EXPECT_EQ(config.error().key, row.key);
  EXPECT_EQ(config.error().value, text);
  EXPECT_NE(config.error().reason.find("must be"), std::string::npos) << config.error().reason;
  EXPECT_EQ(values, before) << "a refused configuration was changed";
}

bool is_number(const ConfigRow& row) {
  return row.unit == ConfigUnit::kCount || row.unit == ConfigUnit::kBytes ||
         row.unit == ConfigUnit::kMillis;
}

class ConfigRowTest : public testing::TestWithParam<ConfigRow> {};

TEST_P(ConfigRowTest, HasTheDefaultOfTheContract) {
  const auto expected = kExpectedDefaults.find(std::string(GetParam().key));
  ASSERT_NE(expected, kExpectedDefaults.end());
  ConfigValues none;
  EXPECT_EQ(value_text(GetParam(), *parse(none)), expected->second);
}

TEST_P(ConfigRowTest, TakesItsDefaultAsAText) {
  const std::string text = value_text(GetParam(), NodeConfig{});
  if (!text.empty()) {
    EXPECT_EQ(taken(GetParam(), text), text);
  }
}

TEST_P(ConfigRowTest, TakesBothEndsOfItsRangeAndNothingBeyond) {
  const ConfigRow& row = GetParam();
  if (is_number(row)) {
    EXPECT_EQ(taken(row, std::to_string(row.min)), std::to_string(row.min));
    EXPECT_EQ(taken(row, std::to_string(row.max)), std::to_string(row.max));
    expect_refused(row, row.min == 0 ? "-1" : std::to_string(row.min - 1));
    expect_refused(row, std::to_string(row.max + 1));
    expect_refused(row, "18446744073709551616");
  } else if (row.unit == ConfigUnit::kText) {
    EXPECT_EQ(taken(row, std::string(row.min, '?')), std::string(row.min, '?'));
    EXPECT_EQ(taken(row, std::string(row.max, '?')), std::string(row.max, '?'));
    expect_refused(row, std::string(row.min - 1, '?'));
    expect_refused(row, std::string(row.max + 1, '?'));
  } else if (row.unit == ConfigUnit::kChoice) {
    for (const std::string_view choice : row.choices) {
      EXPECT_EQ(taken(row, std::string(choice)), choice);
    }
  } else {
    EXPECT_EQ(taken(row, "true"), "true");
    EXPECT_EQ(taken(row, "false"), "false");
  }
}

TEST_P(ConfigRowTest, RefusesGarbage) {
  const ConfigRow& row = GetParam();
  if (row.unit == ConfigUnit::kText) return expect_refused(row, "");
  for (const char* garbage : {"", " ", "x", "1x", " 1", "+1", "1.5", "1e3", "0x10", "True", "nil",
                              "1KB", "99999999999G", "k"}) {
    expect_refused(row, garbage);
  }
}

TEST_P(ConfigRowTest, IsDocumented) {
  EXPECT_FALSE(GetParam().doc.empty());
  EXPECT_NE(config_help().find(GetParam().key), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Rows, ConfigRowTest,
                         testing::ValuesIn(config_rows().begin(), config_rows().end()),
                         [](const auto& row) { return std::string(row.param.key); });

TEST(Config, HasOneRowForEachKeyOfTheContractAndNoOther) {
  std::set<std::string_view> keys;
  for (const ConfigRow& row : config_rows()) EXPECT_TRUE(keys.insert(row.key).second) << row.key;
  EXPECT_EQ(keys.size(), kExpectedDefaults.size());
}

// The page is written anew with SKYLOOM_WRITE_REFERENCE=1.
TEST(Config, TheReferencePageSaysWhatTheTableSays) {
  const std::string path = SKYLOOM_SOURCE_DIR "/docs/reference/configuration.md";
  if (std::getenv("SKYLOOM_WRITE_REFERENCE") != nullptr) std::ofstream(path) << config_reference();
  std::ifstream page(path);
  std::string text((std::istreambuf_iterator<char>(page)), {});
  const std::string_view uring = ", io_uring";
  if (!net::kHasUring) text.erase(text.find(uring), uring.size());
  EXPECT_EQ(text, config_reference());
}

TEST(Config, DefaultsOfTheKernelsKeysAreWrittenBack) {
  ConfigValues values{{"thread", "2"}, {"my_own_key", "kept"}};
  ASSERT_TRUE(parse(values).ok());
  const ConfigValues expected = {{"thread", "2"},          {"my_own_key", "kept"},
                                 {"harbor", "1"},          {"bootstrap", "snlua bootstrap"},
                                 {"logservice", "logger"}, {"cpath", "./cservice/?.so"},
                                 {"profile", "true"}};
  EXPECT_EQ(values, expected);
}

TEST(Config, SizesTakeASuffixAndCountsDoNot) {
  ConfigValues values{
      {"net_wbuffer_max", "512k"}, {"message_max", "3M"}, {"net_wbuffer_total", "4G"}};
  const auto config = parse(values);
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->net_wbuffer_max, 512 * kKiB);
  EXPECT_EQ(config->message_max, 3 * kMiB);
  EXPECT_EQ(config->net_wbuffer_total, 4 * kGiB);
  ConfigValues wrong{{"mailbox_max", "512k"}};
  EXPECT_FALSE(parse(wrong).ok());
}

TEST(Config, AQuotientOfLuaIsAWholeNumber) {
  ConfigValues values{{"thread", "4.0"}};  // thread = 8 / 2
  const auto config = parse(values);
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->thread, 4u);
}

TEST(Config, AnErrorNamesKeyValueAndLimits) {
  ConfigValues values{{"thread", "0"}};
  const auto config = parse(values);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().message(), "thread = \"0\": must be a whole number, 1 to 1024");
}

TEST(Config, ABackendIsTakenOrNamedAsMissing) {
  ConfigValues values{{"io_backend", "io_uring"}};
  const auto config = parse(values);
  if (net::kHasUring) {
    ASSERT_TRUE(config.ok());
    EXPECT_EQ(config->io_backend, IoBackend::kUring);
    return;
  }
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().reason, "io_uring is not built in; must be one of auto, epoll");
}

TEST(Config, EveryCpathPatternNeedsAPlaceForTheName) {
  for (const char* good : {"./?.so", "./a/?.so;./b/?.so", "./a/?.so;", ";./a/?.so;;./b/lib?.so"}) {
    ConfigValues values{{"cpath", good}};
    EXPECT_TRUE(parse(values).ok()) << good;
  }
  for (const char* bad : {"./a.so", "./?.so;./b.so", "./b.so;./?.so", ";", ";;"}) {
    ConfigValues values{{"cpath", bad}};
    const auto config = parse(values);
    ASSERT_FALSE(config.ok()) << bad;
    EXPECT_EQ(config.error().key, "cpath");
    EXPECT_EQ(config.error().value, bad);
  }
}

TEST(Config, ATypingMistakeInOurKeysNamesTheNearestKey) {
  for (const auto& [wrong, right] : {std::pair{"net_thread", "net_threads"},
                                     {"mailbox_mx", "mailbox_max"},
                                     {"net_wbufer_max", "net_wbuffer_max"}}) {
    ConfigValues values{{wrong, "1"}};
    const auto config = parse(values);
    ASSERT_FALSE(config.ok()) << wrong;
    EXPECT_EQ(config.error().key, wrong);
    EXPECT_EQ(config.error().reason, std::string("unknown key; did you mean ") + right + "?");
  }
}

TEST(Config, KeysOfProgramsAreLeftAlone) {
  ConfigValues values{{"threads", "many"}, {"network", "x"}, {"lua_path", "./?.lua"}};
  EXPECT_TRUE(parse(values).ok());
  EXPECT_EQ(values.at("threads"), "many");
}

}  // namespace
}  // namespace skyloom::node
