#include "lua/config_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace skyloom::lua {
namespace {

using Values = std::map<std::string, std::string>;

class ConfigFileTest : public testing::Test {
 protected:
  ConfigFileTest()
      : folder_(testing::TempDir() + "config_file_test." + std::to_string(::getpid()) + "/") {
    std::filesystem::create_directories(folder_);
  }
  ~ConfigFileTest() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(folder_ + name).parent_path());
    std::ofstream(folder_ + name, std::ios::binary) << text;
    return folder_ + name;
  }
  Values load(const std::string& text) {
    const auto values = load_config_file(write("config", text), environment_);
    if (values) return *values;
    ADD_FAILURE() << values.error().message();
    return {};
  }
  ConfigFileError failure(const std::string& text) {
    const auto values = load_config_file(write("config", text), environment_);
    if (!values) return values.error();
    ADD_FAILURE() << "loaded: " << text;
    return {};
  }
  // The message of a failure, without the folder.
  std::string message(const std::string& text) {
    std::string whole = failure(text).message();
    EXPECT_EQ(whole.find('\n'), std::string::npos) << whole;
    for (size_t at; (at = whole.find(folder_)) != std::string::npos;)
      whole.erase(at, folder_.size());
    return whole;
  }

  const std::string folder_;
  Values variables_;
  const EnvironmentLookup environment_ = [this](const std::string& name) {
    const auto found = variables_.find(name);
    return found == variables_.end() ? std::nullopt : std::optional(found->second);
  };
};

TEST_F(ConfigFileTest, GlobalsBecomeTextsAndLocalsDoNot) {
  EXPECT_EQ(load("thread = 8\nrate = 0.5\nhalf = 8 / 2\nlarge = 2^53\n"
                 "name = 'a\\\\b'\nprofile = true\noff = false\nlocal hidden = 1\nnothing = nil\n"
                 "root = './'\ncpath = root .. 'cservice/?.so'\n"),
            (Values{{"thread", "8"},
                    {"rate", "0.5"},
                    {"half", "4.0"},
                    {"large", "9.007199254741e+15"},
                    {"name", "a\\b"},
                    {"profile", "true"},
                    {"off", "false"},
                    {"root", "./"},
                    {"cpath", "./cservice/?.so"}}));
}

TEST_F(ConfigFileTest, AnEmptyFileIsAnEmptyConfiguration) {
  EXPECT_EQ(load(""), Values{});
  EXPECT_EQ(load("\xEF\xBB\xBF-- saved by an editor that marks its files\n"), Values{});
}

TEST_F(ConfigFileTest, EnvironmentVariablesReplaceTheirNamesAnywhereInTheText) {
  variables_ = {{"NODE", "7"}, {"HOME_2", "/srv/x"}};
  EXPECT_EQ(load("harbor = $NODE\npath = \"$HOME_2/lib:$HOME_2\" -- $NODE\nprice = '5$ $5 $'\n"),
            (Values{{"harbor", "7"}, {"path", "/srv/x/lib:/srv/x"}, {"price", "5$ $5 $"}}));
}

TEST_F(ConfigFileTest, AVariableIsNotReplacedInTheValueOfAnother) {
  variables_ = {{"A", "'$B'"}};
  EXPECT_EQ(load("a = $A"), (Values{{"a", "$B"}}));
}

TEST_F(ConfigFileTest, AnUnsetVariableIsNamedWithItsLine) {
  EXPECT_EQ(message("a = 1\nb = '$MISSING'"), "config:2: environment variable MISSING is not set");
}

TEST_F(ConfigFileTest, OsGetenvGivesNilForAnUnsetVariable) {
  variables_ = {{"SET", "yes"}};
  EXPECT_EQ(load("a = os.getenv('SET')\nb = os.getenv('UNSET') or 'default'"),
            (Values{{"a", "yes"}, {"b", "default"}}));
}

TEST_F(ConfigFileTest, IncludesAreRelativeToTheIncludingFile) {
  write("sub/path", "include 'deeper/more'\nfrom_path = more .. '!'");
  write("sub/deeper/more", "more = 'more'");
  write("last", "last = true");
  EXPECT_EQ(load("include 'sub/path'\ninclude \"last\"\nmore = 'changed'"),
            (Values{{"more", "changed"}, {"from_path", "more!"}, {"last", "true"}}));
}

TEST_F(ConfigFileTest, AnAbsoluteIncludeIsTakenAsItIs) {
  const std::string other = write("sub/other", "other = 1");
  EXPECT_EQ(load("include '" + other + "'"), (Values{{"other", "1"}}));
}

TEST_F(ConfigFileTest, AnErrorInAnIncludedFileNamesThatFile) {
  write("sub/bad", "a = 1\nb = = 2");
  EXPECT_EQ(message("include 'sub/bad'"), "sub/bad:2: unexpected symbol near '='");
  write("sub/unset", "\n\nc = $NOT_SET");
  EXPECT_EQ(message("include 'sub/unset'"), "sub/unset:3: environment variable NOT_SET is not set");
}

TEST_F(ConfigFileTest, AMissingIncludeNamesTheLineThatAsksForIt) {
  EXPECT_EQ(message("a = 1\ninclude 'nowhere'"),
            "config:2: include \"nowhere\": No such file or directory");
}

TEST_F(ConfigFileTest, AFileThatIncludesItselfIsAnError) {
  EXPECT_EQ(message("\ninclude 'config'"),
            "config:2: include \"config\": more than 16 files deep; does a file include itself?");
}

TEST_F(ConfigFileTest, AMissingFileSaysSo) {
  const auto values = load_config_file("/no/such/config", environment_);
  ASSERT_FALSE(values.ok());
  EXPECT_EQ(values.error().message(), "/no/such/config: No such file or directory");
  const auto folder = load_config_file("/", environment_);
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().message(), "/: Is a directory");
}

TEST_F(ConfigFileTest, ASyntaxErrorNamesItsLine) {
  const ConfigFileError error = failure("thread = 8\nharbor = \n");
  EXPECT_EQ(error.file, folder_ + "config");
  EXPECT_EQ(error.line, 3);
  EXPECT_EQ(error.reason, "unexpected symbol near <eof>");
}

TEST_F(ConfigFileTest, OtherTypesAreRefusedByKeyAndType) {
  EXPECT_EQ(message("list = {}"),
            "config: key 'list': must be a string, a number or a boolean, not a table");
  EXPECT_EQ(message("function f() end"),
            "config: key 'f': must be a string, a number or a boolean, not a function");
  EXPECT_EQ(message("_ENV[1] = 'x'"), "config: key 'number': is not a name");
}

TEST_F(ConfigFileTest, ANulByteIsRefusedInNamesAndTexts) {
  EXPECT_EQ(message("a = 'x\\0y'"), "config: key 'a': contains a NUL byte");
  EXPECT_EQ(failure("_ENV['b\\0'] = 1").reason, "contains a NUL byte");
}

TEST_F(ConfigFileTest, AnEndlessLoopEndsWithItsLine) {
  EXPECT_EQ(message("a = 1\nwhile true do end"),
            "config:2: runs for too long; is this an endless loop?");
  EXPECT_EQ(message("local function f() return f() end\nf()"),
            "config:1: runs for too long; is this an endless loop?");
}

// Found by config_fuzz: a million instructions are a blink only while none of them works on
// megabytes.
TEST_F(ConfigFileTest, FewButLongInstructionsEndWithTheirLine) {
  const std::string long_text = "local a = ' ' for i = 1, 22 do a = a .. a end\n";
  EXPECT_EQ(message(long_text + "while true do tonumber(a) end"),
            "config:2: runs for too long; is this an endless loop?");
}

TEST_F(ConfigFileTest, MemoryHasALimitAlsoForThatWhichIsThrownAwayAtOnce) {
  const std::string reason = "needs too much memory; is this an endless loop?";
  EXPECT_EQ(failure("local s, t = 'x', {} for i = 1, 16 do s = s .. s end for i = 1, 999 do t[i] = "
                    "s .. i end")
                .reason,
            reason);
  EXPECT_EQ(failure("local s = 'x' while true do s = s .. s end").reason, reason);
  EXPECT_EQ(
      failure("local s = 'x' for i = 1, 21 do s = s .. s end while true do local _ = s .. s end")
          .reason,
      reason);
}

TEST_F(ConfigFileTest, TooLargeATextIsRefusedBeforeItIsCompiled) {
  EXPECT_EQ(message("-- " + std::string(kConfigFileBytesMax, 'x')), "config: File too large");
  variables_ = {{"BIG", std::string(kConfigFileBytesMax / 2, 'x')}};
  EXPECT_EQ(message("-- $BIG\n-- $BIG"), "config:2: the text grows too large here");
}

TEST_F(ConfigFileTest, BytecodeIsRefused) {
  EXPECT_NE(failure("\x1bLua").reason.find("binary chunk"), std::string::npos);
}

TEST_F(ConfigFileTest, NothingOfTheStandardLibraryReachesTheOutside) {
  for (const char* name :
       {"io", "require", "package", "debug", "load", "loadfile", "dofile", "print", "pcall",
        "xpcall", "coroutine", "setmetatable", "rawset", "string", "collectgarbage", "os.execute",
        "os.exit", "os.remove", "_G"}) {
    EXPECT_EQ(load("absent = " + std::string(name) + " == nil"), (Values{{"absent", "true"}}))
        << name;
  }
}

TEST_F(ConfigFileTest, ErrorsOfTheFileItselfKeepTheirText) {
  EXPECT_EQ(message("error('no port')"), "config:1: no port");
  EXPECT_EQ(message("assert(nil, 'two\\nlines')"), "config:1: two lines");
  EXPECT_EQ(message("error({})"), "config: stopped with a value of type table");
  EXPECT_EQ(message("error('@99:1: not ours', 0)"), "config: @99:1: not ours");
  EXPECT_EQ(message("error('@', 0)"), "config: @");
  EXPECT_EQ(message("error('', 0)"), "config: stopped without a reason");
  EXPECT_EQ(message("include()"),
            "config:1: bad argument #1 to 'include' (string expected, got no value)");
}

TEST_F(ConfigFileTest, DeepNestingIsAnErrorNotACrash) {
  EXPECT_FALSE(failure("a = " + std::string(100000, '(')).reason.empty());
  EXPECT_FALSE(failure("local function f() return 1 + f() end f()").reason.empty());
}

}  // namespace
}  // namespace skyloom::lua
