// The log service with real files, pipes and a full disk (K41), over the double of the C interface.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "os/log_file.hpp"
#include "os/read_file.hpp"
#include "services/logger.hpp"
#include "testing/fake_skynet.hpp"

namespace skyloom::services {
namespace {

constexpr size_t kFileBytesMax = 64 << 20;
using Module = ServiceModule<LoggerOn<os::make_log_file>>;

// A LogWriterFactory for a pipe instead of standard output.
int pipe_end = -1;
std::unique_ptr<base::LogWriter> make_pipe_writer() {
  class PipeWriter final : public base::LogWriter {
   public:
    base::Status open(const std::string&) override {
      return static_cast<os::LogFile&>(*file_).open_descriptor(pipe_end);
    }
    base::Status reopen() override { return {}; }
    base::Result<size_t> write_some(std::string_view text) noexcept override {
      return file_->write_some(text);
    }
    void interrupt() noexcept override { file_->interrupt(); }

   private:
    std::unique_ptr<base::LogWriter> file_ = os::make_log_file();
  };
  return std::make_unique<PipeWriter>();
}
using PipeModule = ServiceModule<LoggerOn<make_pipe_writer>>;

class LoggerFileTest : public ::testing::Test {
 protected:
  LoggerFileTest() {
    ::setenv("TZ", "UTC0", 1);
    ::tzset();
    skynet_context::starttime = 1234567890;  // 13/02/09 23:31:30
    skynet_context::now = 0;
    char folder[] = "/tmp/logger_file_test.XXXXXX";
    EXPECT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/log";
  }
  ~LoggerFileTest() override {
    for (const std::string& name : {path_, path_ + ".old"}) ::unlink(name.c_str());
    ::rmdir(folder_.c_str());
    ::unsetenv("TZ");
    ::tzset();
  }
  std::string content(const std::string& path) {
    auto read = os::read_file(path, kFileBytesMax);
    return read ? read.value() : "?";
  }

  skynet_context node_;
  std::string folder_;
  std::string path_;
};

TEST_F(LoggerFileTest, EveryLineIsInTheFileAndTheRestInTheNextOneAfterARotation) {
  void* const logger = Module::create();
  ASSERT_EQ(Module::init(logger, &node_, path_.c_str()), 0);
  for (int number = 0; number < 1000; ++number) node_.deliver(PTYPE_TEXT, "before", 0x0b);
  node_.deliver(PTYPE_TEXT, std::string(1 << 20, 'h'), 0x0b);
  ASSERT_EQ(::rename(path_.c_str(), (path_ + ".old").c_str()), 0);
  node_.deliver(PTYPE_SYSTEM, "", 0);
  node_.deliver(PTYPE_TEXT, "after", 0x0b);
  Module::release(logger);
  const std::string old = content(path_ + ".old");
  EXPECT_EQ(old.find("13/02/09 23:31:30.00 [:0000000b] before\n"), 0u);
  EXPECT_EQ(std::count(old.begin(), old.end(), '\n'), 1001);
  EXPECT_TRUE(old.ends_with("hhh... (983040 bytes cut)\n"));
  EXPECT_EQ(content(path_), "13/02/09 23:31:30.00 [:0000000b] after\n");
}

TEST_F(LoggerFileTest, AFullDiskCostsTheLinesAndNothingElse) {
  void* const logger = Module::create();
  ASSERT_EQ(Module::init(logger, &node_, "/dev/full"), 0);
  for (int number = 0; number < 10'000; ++number) node_.deliver(PTYPE_TEXT, "line", 0x0b);
  Module::release(logger);
}

TEST_F(LoggerFileTest, AFileThatCannotBeOpenedIsNamedOnStderrWithTheReason) {
  void* const logger = Module::create();
  const std::string path = folder_ + "/no/log";
  ::testing::internal::CaptureStderr();
  EXPECT_NE(Module::init(logger, &node_, path.c_str()), 0);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "logger: cannot write to " + path + ": No such file or directory\n");
  Module::release(logger);
}

TEST_F(LoggerFileTest, APipeThatNobodyReadsDelaysNobodyAndEndsWithTheService) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const os::UniqueFd reader(ends[0]), writer(ends[1]);
  pipe_end = writer.get();
  void* const logger = PipeModule::create();
  ASSERT_EQ(PipeModule::init(logger, &node_, nullptr), 0);
  for (int number = 0; number < 1'000'000; ++number) node_.deliver(PTYPE_TEXT, "line", 0x0b);
  const auto begin = std::chrono::steady_clock::now();
  PipeModule::release(logger);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << "K39";
}

}  // namespace
}  // namespace skyloom::services
