#include "os/log_file.hpp"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <future>

#include "os/read_file.hpp"

namespace skyloom::os {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;
constexpr std::chrono::seconds kDeadline(20);

class LogFileTest : public testing::Test {
 protected:
  LogFileTest() {
    ::signal(SIGPIPE, SIG_IGN);
    char folder[] = "/tmp/log_file_test.XXXXXX";
    EXPECT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/log";
  }
  ~LogFileTest() override {
    for (const std::string& name : {path_, path_ + ".old"}) ::unlink(name.c_str());
    ::rmdir(folder_.c_str());
  }
  static std::string content(const std::string& path) {
    auto read = read_file(path, kFileBytesMax);
    return read ? *read : "?";
  }
  static LogFile& in(const std::unique_ptr<base::LogWriter>& writer) {
    return static_cast<LogFile&>(*writer);
  }
  // Writes until the sink takes no more; true when it said so by returning 0.
  static bool fill(base::LogWriter& writer) {
    const std::string piece(4000, 'x');
    for (;;) {
      const auto taken = writer.write_some(piece);
      if (!taken) return false;
      if (*taken == 0) return true;
    }
  }

  std::unique_ptr<base::LogWriter> writer_ = make_log_file();
  std::string folder_;
  std::string path_;
};

TEST_F(LogFileTest, AppendsToAFileThatIsThere) {
  std::FILE* file = std::fopen(path_.c_str(), "w");
  std::fputs("before\n", file);
  std::fclose(file);
  ASSERT_TRUE(writer_->open(path_));
  EXPECT_EQ(*writer_->write_some("after\n"), 6u);
  EXPECT_EQ(content(path_), "before\nafter\n");
}

TEST_F(LogFileTest, ReopeningFollowsTheNameOfAMovedFile) {
  ASSERT_TRUE(writer_->open(path_));
  ASSERT_TRUE(writer_->write_some("one\n"));
  ASSERT_EQ(::rename(path_.c_str(), (path_ + ".old").c_str()), 0);
  ASSERT_TRUE(writer_->write_some("two\n"));
  ASSERT_TRUE(writer_->reopen());
  ASSERT_TRUE(writer_->write_some("three\n"));
  EXPECT_EQ(content(path_ + ".old"), "one\ntwo\n");
  EXPECT_EQ(content(path_), "three\n");
}

TEST_F(LogFileTest, AFailedReopeningKeepsTheOldFile) {
  ASSERT_TRUE(writer_->open(path_));
  ASSERT_EQ(::rename(path_.c_str(), (path_ + ".old").c_str()), 0);
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  const base::Status reopened = writer_->reopen();
  ASSERT_FALSE(reopened);
  EXPECT_EQ(reopened.error().sys_errno(), EISDIR);
  ASSERT_TRUE(writer_->write_some("still\n"));
  EXPECT_EQ(content(path_ + ".old"), "still\n");
  ::rmdir(path_.c_str());
}

TEST_F(LogFileTest, AFileThatCannotBeOpenedTellsItsErrno) {
  const base::Status opened = writer_->open(folder_ + "/no/such/log");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().sys_errno(), ENOENT);
}

TEST_F(LogFileTest, AFifoWithoutReaderIsRefusedInsteadOfWaitedFor) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const base::Status opened = writer_->open(path_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().sys_errno(), ENXIO);
}

TEST_F(LogFileTest, AFullDiskIsAnError) {
  ASSERT_TRUE(writer_->open("/dev/full"));
  const auto written = writer_->write_some("x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().sys_errno(), ENOSPC);
}

TEST_F(LogFileTest, APipeThatNobodyReadsIsGivenUpAfterAnInterrupt) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]), end(ends[1]);
  ASSERT_TRUE(in(writer_).open_descriptor(end.get()));
  EXPECT_EQ(::fcntl(end.get(), F_GETFL) & O_NONBLOCK, 0) << "the descriptor's owner was surprised";
  auto filled = std::async(std::launch::async, [this] { return fill(*writer_); });
  writer_->interrupt();
  ASSERT_EQ(filled.wait_for(kDeadline), std::future_status::ready);
  EXPECT_TRUE(filled.get());
}

TEST_F(LogFileTest, ASocketThatNobodyReadsIsGivenUpAfterAnInterrupt) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd reader(ends[0]), end(ends[1]);
  ASSERT_TRUE(in(writer_).open_descriptor(end.get()));
  EXPECT_EQ(::fcntl(end.get(), F_GETFL) & O_NONBLOCK, 0);
  auto filled = std::async(std::launch::async, [this] { return fill(*writer_); });
  writer_->interrupt();
  ASSERT_EQ(filled.wait_for(kDeadline), std::future_status::ready);
  EXPECT_TRUE(filled.get());
}

TEST_F(LogFileTest, AWaitGoesOnWhenThePipeIsRead) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]), end(ends[1]);
  ASSERT_TRUE(in(writer_).open_descriptor(end.get()));
  constexpr size_t kBytes = 1 << 20;  // more than any pipe holds
  auto written = std::async(std::launch::async, [this] {
    size_t done = 0;
    const std::string text(kBytes, 'y');
    while (done < kBytes) {
      const auto taken = writer_->write_some(std::string_view(text).substr(done));
      if (!taken || *taken == 0) break;
      done += *taken;
    }
    return done;
  });
  size_t got = 0;
  char part[8192];
  while (got < kBytes) {
    const ssize_t count = ::read(reader.get(), part, sizeof part);
    ASSERT_GT(count, 0);
    got += static_cast<size_t>(count);
  }
  EXPECT_EQ(written.get(), kBytes);
}

TEST_F(LogFileTest, APipeWhoseReaderHasGoneIsAnError) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd end(ends[1]);
  ASSERT_TRUE(in(writer_).open_descriptor(end.get()));
  ::close(ends[0]);
  const auto written = writer_->write_some("x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().sys_errno(), EPIPE);
}

TEST_F(LogFileTest, AClosedStandardOutputIsAnError) {
  const base::Status opened = in(writer_).open_descriptor(1 << 20);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().sys_errno(), EBADF);
}

}  // namespace
}  // namespace skyloom::os
