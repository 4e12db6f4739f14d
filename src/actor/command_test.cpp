// Every text command of contract 1.9, with good and with malformed arguments.
#include "actor/command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "actor/test_support.hpp"

namespace skyloom::actor::test {
namespace {

class DescribingHooks : public Hooks {
 public:
  std::string describe(const RawMessage&) override { return "[socket] 1 2 3 [text]"; }
};

class CommandTest : public testing::Test {
 protected:
  CommandTest() : directory_(make_directory()), system_(make_options(), clock_, hooks_, nullptr) {
    register_probe(system_);
    spawn_logger(system_, log_);
    const uint32_t handle = spawn(system_, Probe{[this](Service& self, const Seen& seen) {
                                                   if (on_message_) on_message_(self, seen);
                                                 },
                                                 [this](Service& service, const char*) {
                                                   self_ = &service;
                                                   return 0;
                                                 },
                                                 {},
                                                 {}});
    EXPECT_EQ(handle, 2u);
    system_.run_until_idle();
  }
  ~CommandTest() override { std::filesystem::remove_all(directory_); }

  static std::filesystem::path make_directory() {
    auto path = std::filesystem::temp_directory_path() /
                ("skyloom_command_test_" + std::to_string(std::random_device{}()));
    std::filesystem::create_directories(path);
    return path;
  }
  Options make_options() const {
    Options options = options_with(0);
    options.logpath = directory_.string();
    return options;
  }

  const char* run(const char* command, const char* parameter = nullptr) {
    return run_command(*self_, command, parameter);
  }
  std::string last_log() {
    system_.run_until_idle();
    return log_.size() == 0 ? "" : log_.all().back().text;
  }

  const std::filesystem::path directory_;
  TestClock clock_;
  DescribingHooks hooks_;
  Record log_;
  Handler on_message_;
  Service* self_ = nullptr;
  System system_;
};

TEST_F(CommandTest, AnUnknownCommandHasNoResult) {
  EXPECT_EQ(run("NONSENSE", "1"), nullptr);
  EXPECT_EQ(run("", ""), nullptr);
  EXPECT_EQ(run(nullptr), nullptr);
  EXPECT_EQ(run("timeout", "1"), nullptr);
}

TEST_F(CommandTest, TimeoutGivesTheSessionOfTheAnswer) {
  std::vector<int> sessions;
  on_message_ = [&](Service&, const Seen& seen) { sessions.push_back(seen.session); };
  EXPECT_STREQ(run("TIMEOUT", "2"), "1");
  EXPECT_STREQ(run("TIMEOUT", "0"), "2");
  EXPECT_STREQ(run("TIMEOUT", "-5"), "3");
  system_.run_until_idle();
  EXPECT_THAT(sessions, testing::ElementsAre(2, 3));
  clock_.advance(20ms);
  system_.run_until_idle();
  EXPECT_THAT(sessions, testing::ElementsAre(2, 3, 1));
}

TEST_F(CommandTest, TheMessageInWhichAServiceDiesMaySetTimersThatNeverCome) {
  std::vector<std::string> sessions;
  on_message_ = [&](Service&, const Seen&) {
    run("EXIT");
    for (const char* when : {"0", "2"}) {
      const char* session = run("TIMEOUT", when);
      sessions.emplace_back(session == nullptr ? "refused" : session);
    }
  };
  run("TIMEOUT", "0");
  EXPECT_EQ(last_log(), "KILL self");
  EXPECT_THAT(sessions, testing::ElementsAre("2", "3"));
}

TEST_F(CommandTest, RegRegistersSelfUnderALocalName) {
  EXPECT_STREQ(run("REG"), ":2");
  EXPECT_STREQ(run("REG", ""), ":2");
  EXPECT_STREQ(run("REG", ".me"), "me");
  EXPECT_EQ(run("REG", ".me"), nullptr);
  EXPECT_EQ(run("REG", "GLOBAL"), nullptr);
  EXPECT_EQ(last_log(), "error: Can't register global name GLOBAL in C");
  EXPECT_EQ(run("REG", "."), nullptr);
}

TEST_F(CommandTest, QueryFindsLocalNames) {
  EXPECT_STREQ(run("QUERY", ".logger"), ":1");
  EXPECT_EQ(run("QUERY", ".nobody"), nullptr);
}

TEST_F(CommandTest, NameRegistersAnotherService) {
  EXPECT_STREQ(run("NAME", ".log :1"), "log");
  EXPECT_EQ(run("NAME", ".log :2"), nullptr);
  EXPECT_STREQ(run("QUERY", ".log"), ":1");
  EXPECT_EQ(run("NAME", ".dead :77"), nullptr);
  EXPECT_EQ(run("NAME", "GLOBAL :1"), nullptr);
}

TEST_F(CommandTest, ExitKillsSelf) {
  EXPECT_EQ(run("EXIT", "ignored"), nullptr);
  EXPECT_FALSE(system_.is_alive(2));
  EXPECT_EQ(last_log(), "KILL self");
}

TEST_F(CommandTest, KillTakesAHandleOrAName) {
  const uint32_t first = spawn(system_, Probe{});
  const uint32_t second = spawn(system_, Probe{});
  system_.register_name("second", second);
  EXPECT_EQ(run("KILL", ":00000003"), nullptr);
  EXPECT_EQ(last_log(), "KILL :3");
  EXPECT_FALSE(system_.is_alive(first));
  EXPECT_EQ(run("KILL", ".second"), nullptr);
  EXPECT_FALSE(system_.is_alive(second));
  EXPECT_EQ(run("KILL", ".second"), nullptr);
  EXPECT_EQ(run("KILL", ":00000003"), nullptr);
}

TEST_F(CommandTest, LaunchCutsTheModuleAtTheFirstBlankAndTheArgumentsAtTheLineEnd) {
  std::vector<std::string> arguments;
  const auto prepare = [&] {
    Probe::next = new Probe{{},
                            [&](Service&, const char* given) {
                              arguments.push_back(given == nullptr ? "(null)" : given);
                              return 0;
                            },
                            {},
                            {}};
  };
  prepare();
  EXPECT_STREQ(run("LAUNCH", "probe one  two\nthree"), ":00000003");
  prepare();
  EXPECT_STREQ(run("LAUNCH", "probe"), ":00000004");
  prepare();
  EXPECT_STREQ(run("LAUNCH", "probe "), ":00000005");
  EXPECT_THAT(arguments, testing::ElementsAre("one  two", "(null)", ""));
}

TEST_F(CommandTest, LaunchRefusesNamesThatLeadOutOfThePath) {
  for (const char* name : {"", "../evil", "/bin/evil", "a/b", "..", " x"}) {
    EXPECT_EQ(run("LAUNCH", name), nullptr) << name;
    system_.run_until_idle();
    const std::string module = name[0] == ' ' ? "" : name;
    EXPECT_TRUE(log_.has_text("module name '" + module + "' is empty or leads out of cpath"));
    EXPECT_EQ(last_log(), "error: launch " + module + " FAILED");
  }
  EXPECT_EQ(run("LAUNCH"), nullptr);
}

TEST_F(CommandTest, EnvironmentKeysAreSetOnce) {
  EXPECT_EQ(run("GETENV", "key"), nullptr);
  EXPECT_EQ(run("SETENV", "key a value"), nullptr);
  const char* value = run("GETENV", "key");
  EXPECT_STREQ(value, "a value");
  EXPECT_EQ(run("SETENV", "key other"), nullptr);
  EXPECT_EQ(last_log(), "error: SETENV: key is set already and stays as it is");
  for (int count = 0; count < 1000; ++count) {
    system_.setenv("k" + std::to_string(count), "v");
  }
  EXPECT_EQ(run("GETENV", "key"), value);  // valid for ever
  EXPECT_EQ(run("SETENV", "empty "), nullptr);
  EXPECT_STREQ(run("GETENV", "empty"), "");
}

TEST_F(CommandTest, StarttimeIsTheWallClockInSeconds) {
  EXPECT_STREQ(run("STARTTIME"), "1700000000");
}

TEST_F(CommandTest, AbortKillsEverything) {
  EXPECT_EQ(run("ABORT"), nullptr);
  system_.run_until_idle();
  EXPECT_EQ(system_.service_count(), 0u);
}

TEST_F(CommandTest, MonitorIsSetAndQueried) {
  EXPECT_EQ(run("MONITOR"), nullptr);
  EXPECT_EQ(run("MONITOR", ":2"), nullptr);
  EXPECT_STREQ(run("MONITOR", ""), ":2");
  EXPECT_EQ(run("MONITOR", "garbage"), nullptr);
  EXPECT_STREQ(run("MONITOR"), ":2");
}

TEST_F(CommandTest, StatTellsOwnFigures) {
  EXPECT_STREQ(run("STAT", "nonsense"), "");
  EXPECT_STREQ(run("STAT"), "");
  EXPECT_STREQ(run("STAT", "endless"), "0");
  self_->endless = true;
  EXPECT_STREQ(run("STAT", "endless"), "1");
  EXPECT_STREQ(run("STAT", "endless"), "0");
  EXPECT_STREQ(run("STAT", "cpu"), "0.000000");
  std::string waiting;
  std::string count;
  on_message_ = [&](Service&, const Seen&) {
    waiting += run("STAT", "mqlen");
    count += run("STAT", "message");
    EXPECT_STREQ(run("STAT", "time"), "0.000000");  // the test's clock stands still
  };
  for (int message = 0; message < 3; ++message) system_.push(2, Message(kTypeText, 0, 0));
  system_.run_until_idle();
  EXPECT_EQ(waiting, "210");
  EXPECT_EQ(count, "123");
}

TEST_F(CommandTest, SignalTakesANumberInCSyntax) {
  std::vector<int> numbers;
  spawn(system_, Probe{{}, {}, {}, [&](int number) { numbers.push_back(number); }});
  EXPECT_EQ(run("SIGNAL", ":3"), nullptr);
  EXPECT_EQ(run("SIGNAL", ":3 9"), nullptr);
  EXPECT_EQ(run("SIGNAL", ":3 0x1f"), nullptr);
  EXPECT_EQ(run("SIGNAL", ":3 017"), nullptr);
  EXPECT_EQ(run("SIGNAL", ":3 -1"), nullptr);
  EXPECT_THAT(numbers, testing::ElementsAre(0, 9, 31, 15, -1));
  for (const char* bad : {":3 x", ":3 9x", ":3 99999999999999999999", ":3 --1", ":3 0x", ":77 1"}) {
    EXPECT_EQ(run("SIGNAL", bad), nullptr);
  }
  EXPECT_EQ(numbers.size(), 5u);
}

TEST_F(CommandTest, MalformedArgumentsAreLoggedAndChangeNothing) {
  const std::pair<const char*, const char*> cases[] = {
      {"TIMEOUT", ""},
      {"TIMEOUT", "soon"},
      {"TIMEOUT", "12x"},
      {"TIMEOUT", "1.5"},
      {"TIMEOUT", "99999999999"},
      {"QUERY", ""},
      {"QUERY", "logger"},
      {"NAME", ""},
      {"NAME", ".x"},
      {"NAME", ".x 5"},
      {"NAME", ".x :zz"},
      {"NAME", ".x :0"},
      {"KILL", ""},
      {"KILL", "2"},
      {"KILL", ":"},
      {"KILL", ":xyz"},
      {"KILL", ":123456789"},
      {"SETENV", ""},
      {"SETENV", "novalue"},
      {"SETENV", " x"},
      {"MONITOR", "2"},
      {"LOGON", ""},
      {"LOGON", "2"},
      {"LOGOFF", "?"},
      {"SIGNAL", ""},
      {"SIGNAL", "2 1"},
  };
  for (const auto& [command, parameter] : cases) {
    EXPECT_EQ(run(command, parameter), nullptr) << command << " " << parameter;
    EXPECT_EQ(last_log(), "error: " + std::string(command) + ": bad argument '" + parameter + "'");
  }
  EXPECT_TRUE(system_.is_alive(2));
}

TEST_F(CommandTest, NoRandomTextHarmsTheProcess) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const char* const commands[] = {"TIMEOUT", "REG",    "QUERY",   "NAME", "GETENV",
                                  "SETENV",  "LAUNCH", "MONITOR", "STAT", "SIGNAL"};
  constexpr std::string_view kAlphabet = ":.0123456789abcdefxX -+\n\t%s/";
  for (int round = 0; round < 3000; ++round) {
    std::string parameter;
    for (uint64_t length = random() % 12; length > 0; --length) {
      parameter += kAlphabet[random() % kAlphabet.size()];
    }
    run(commands[random() % std::size(commands)], parameter.c_str());
    system_.run_until_idle();
  }
  EXPECT_TRUE(system_.is_alive(2));
}

TEST_F(CommandTest, LogonWritesEachMessageBeforeItIsHandled) {
  const auto path = directory_ / "00000002.log";
  const auto read = [&] {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  };
  EXPECT_EQ(run("LOGON", ":2"), nullptr);
  EXPECT_EQ(last_log(), "Open log file " + path.string());
  std::string seen_by_handler;
  on_message_ = [&](Service&, const Seen&) { seen_by_handler = read(); };
  system_.push(2, text_message("\x01\xfez", kTypeLua, 0xa, 7));
  system_.run_until_idle();
  EXPECT_THAT(seen_by_handler, testing::StartsWith("open time: 25 "));
  EXPECT_THAT(seen_by_handler, testing::EndsWith("\n:0000000a 10 7 25 01fe7a\n"));
  system_.push(2, text_message("event", kTypeSocket));
  system_.run_until_idle();
  EXPECT_EQ(run("LOGOFF", ":2"), nullptr);
  EXPECT_EQ(last_log(), "Close log file :00000002");
  system_.push(2, text_message("unseen", kTypeLua));
  system_.run_until_idle();
  EXPECT_THAT(read(), testing::EndsWith("01fe7a\n[socket] 1 2 3 [text]\nclose time: 25\n"));
}

TEST_F(CommandTest, LoglaunchMissesNoMessage) {
  EXPECT_EQ(run("LOGLAUNCH", "nowhere"), nullptr);
  Probe::next = new Probe{};
  EXPECT_STREQ(run("LOGLAUNCH", "probe one"), ":00000003");
  EXPECT_EQ(last_log(), "Open log file " + (directory_ / "00000003.log").string());
  system_.push(3, text_message("first", kTypeLua, 0xa, 7));
  system_.run_until_idle();
  std::stringstream text;
  text << std::ifstream(directory_ / "00000003.log").rdbuf();
  EXPECT_THAT(text.str(), testing::EndsWith("\n:0000000a 10 7 25 6669727374\n"));
}

TEST_F(CommandTest, LogonSaysWhenTheFileCannotBeOpened) {
  std::filesystem::remove_all(directory_);
  EXPECT_EQ(run("LOGON", ":2"), nullptr);
  EXPECT_EQ(last_log(), "Open log file " + (directory_ / "00000002.log").string() + " fail");
}

}  // namespace
}  // namespace skyloom::actor::test
