// A configuration file, and what the node makes of its values: never a crash, never a hang, and
// every refusal is one line that names the file and, of the node's keys, the key. Input: the text
// of the file, without slashes, so that it can include nothing but itself ("config").
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "fuzz/input.hpp"
#include "lua/config_file.hpp"
#include "node/config.hpp"

namespace {

using namespace skyloom;

// The file that is read, written anew for each input.
class ConfigFile {
 public:
  ConfigFile() {
    std::string folder = std::filesystem::temp_directory_path() / "skyloom_config_fuzz_XXXXXX";
    FUZZ_REQUIRE(::mkdtemp(folder.data()) != nullptr);
    folder_ = folder;
    path_ = folder + "/config";
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    FUZZ_REQUIRE(fd_ >= 0);
  }
  ~ConfigFile() {
    ::close(fd_);
    std::filesystem::remove_all(folder_);
  }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;

  const std::string& path() const { return path_; }
  void write(std::string_view text) {
    FUZZ_REQUIRE(::ftruncate(fd_, 0) == 0);
    FUZZ_REQUIRE(::pwrite(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }

 private:
  std::filesystem::path folder_;
  std::string path_;
  int fd_ = -1;
};

std::optional<std::string> environment(const std::string& name) {
  if (name == "HOME") return "home";
  if (name == "EMPTY") return "";
  if (name == "QUOTE") return "\"";
  if (name == "LONG") return std::string(100'000, 'x');
  return std::nullopt;
}

bool is_one_line(std::string_view text) {
  return text.find_first_of("\r\n") == std::string_view::npos;
}

void require_useful(const lua::ConfigFileError& error, const std::string& path) {
  FUZZ_REQUIRE(error.file == path);
  FUZZ_REQUIRE(!error.reason.empty());
  FUZZ_REQUIRE(is_one_line(error.reason));
  FUZZ_REQUIRE(error.line >= 0);
  FUZZ_REQUIRE(error.message().starts_with(path));
}

void try_values(node::ConfigValues values) {
  const node::ConfigValues given = values;
  const auto config = node::parse(values);
  if (!config) {
    FUZZ_REQUIRE(values == given);
    FUZZ_REQUIRE(values.contains(config.error().key));
    FUZZ_REQUIRE(!config.error().reason.empty());
    FUZZ_REQUIRE(config.error().message().starts_with(config.error().key));
    return;
  }
  // What was taken is within its limits and, written out, taken again as the same.
  node::ConfigValues written;
  for (const node::ConfigRow& row : node::config_rows()) {
    const std::string text = node::value_text(row, *config);
    if (!text.empty()) written.emplace(row.key, text);
  }
  const auto again = node::parse(written);
  FUZZ_REQUIRE(again.ok());
  for (const node::ConfigRow& row : node::config_rows()) {
    FUZZ_REQUIRE(node::value_text(row, *again) == node::value_text(row, *config));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static ConfigFile file;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  if (text.find('/') != std::string_view::npos) return 0;
  file.write(text);
  const auto values = lua::load_config_file(file.path(), environment);
  if (!values) {
    require_useful(values.error(), file.path());
    return 0;
  }
  try_values(*values);
  return 0;
}
