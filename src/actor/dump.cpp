#include "actor/dump.hpp"

#include <cinttypes>
#include <ctime>

namespace skyloom::actor {

std::string Dump::path_of(const std::string& directory, uint32_t handle) {
  char name[16];
  std::snprintf(name, sizeof(name), "%08x.log", handle);
  return directory + "/" + name;
}

std::unique_ptr<Dump> Dump::open(const std::string& path, uint64_t now_cs, uint32_t starttime) {
  std::FILE* file = std::fopen(path.c_str(), "ae");  // e: no child inherits it
  if (file == nullptr) return nullptr;
  const time_t wall = static_cast<time_t>(starttime + now_cs / 100);
  char text[32] = "\n";
  ::ctime_r(&wall, text);  // ends with a newline
  std::fprintf(file, "open time: %" PRIu64 " %s", now_cs, text);
  std::fflush(file);
  return std::unique_ptr<Dump>(new Dump(file));
}

Dump::~Dump() {
  std::fclose(file_);
}

void Dump::write(const RawMessage& message, uint64_t now_cs) noexcept {
  std::fprintf(file_, ":%08x %d %d %" PRIu64 " ", message.source, message.type(), message.session,
               now_cs);
  const auto* bytes = static_cast<const unsigned char*>(message.data);
  const size_t size = message.data == nullptr ? 0 : message.size();
  static constexpr char kDigits[] = "0123456789abcdef";
  for (size_t index = 0; index < size; ++index) {
    std::fputc(kDigits[bytes[index] >> 4], file_);
    std::fputc(kDigits[bytes[index] & 15], file_);
  }
  std::fputc('\n', file_);
  std::fflush(
      file_);  // written before it is handled: the last line names the message that crashed us
}

void Dump::write_line(const std::string& line) noexcept {
  std::fputs(line.c_str(), file_);
  std::fputc('\n', file_);
  std::fflush(file_);  // as above
}

void Dump::write_end(uint64_t now_cs) noexcept {
  std::fprintf(file_, "close time: %" PRIu64 "\n", now_cs);
}

}  // namespace skyloom::actor
