// Replies of RESP2. The answer must not depend on how the bytes arrive, and what is taken is held
// against a second reader that copies everything and writes it out again: the same bytes. Input:
// number of piece sizes (low 4 bits), the sizes, which repeat, then the stream.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "codec/resp.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace skyloom::codec;

struct Outcome {
  std::vector<std::string> replies;
  bool has_failed = false;
};

// As a client takes it in: what has come and is not used lies in one block.
Outcome read_in_pieces(std::string_view stream, std::string_view piece_sizes) {
  Outcome outcome;
  RespScanner scanner;
  std::vector<char> unread;
  for (size_t piece = 0; !stream.empty(); ++piece) {
    const size_t size =
        piece_sizes.empty()
            ? stream.size()
            : size_t{1} + static_cast<uint8_t>(piece_sizes[piece % piece_sizes.size()]);
    const std::string_view arrived = stream.substr(0, size);
    stream.remove_prefix(arrived.size());
    unread.insert(unread.end(), arrived.begin(), arrived.end());
    unread.shrink_to_fit();  // so that a read beyond its end is seen
    size_t used = 0;
    for (;;) {
      const auto found = scanner.scan({unread.data() + used, unread.size() - used});
      if (!found) {
        FUZZ_REQUIRE(!found.error().view().empty());
        outcome.has_failed = true;
        return outcome;
      }
      if (!*found) break;
      FUZZ_REQUIRE(**found > 0 && **found <= unread.size() - used);
      outcome.replies.emplace_back(unread.data() + used, **found);
      used += **found;
    }
    unread.erase(unread.begin(), unread.begin() + static_cast<long>(used));
  }
  return outcome;
}

void put(std::string& to, char type, size_t count) {
  char header[kRespHeaderBytesMax];
  to.append(header, put_resp_header(header, type, count));
}

// Reads one value off the front of `reply`, which is whole, and writes it to `copy`.
void copy_value(std::string_view& reply, std::string& copy, size_t depth) {
  FUZZ_REQUIRE(depth <= kRespDepthMax);
  const auto found = next_resp_token(reply);
  FUZZ_REQUIRE(found.ok() && found.value().has_value());
  const RespToken& token = **found;
  FUZZ_REQUIRE(token.size >= kRespElementBytesMin && token.size <= reply.size());
  const char type = reply.front();
  const std::string text(token.text);
  reply.remove_prefix(token.size);
  switch (token.type) {
    case RespType::kText:
    case RespType::kError: copy += type + text + "\r\n"; break;
    case RespType::kInteger: copy += ":" + std::to_string(token.number) + "\r\n"; break;
    case RespType::kNull: copy += std::string(1, type) + "-1\r\n"; break;
    case RespType::kBulk:
      put(copy, '$', text.size());
      copy += text + "\r\n";
      break;
    case RespType::kArray:
      put(copy, '*', static_cast<size_t>(token.number));
      for (int64_t i = 0; i < token.number; ++i) copy_value(reply, copy, depth + 1);
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  skyloom::fuzz::Input input(bytes, size);
  const std::string_view piece_sizes = input.take(input.byte() % 16);
  const std::string_view stream = input.rest();
  const Outcome whole = read_in_pieces(stream, {});
  const Outcome split = read_in_pieces(stream, piece_sizes);
  FUZZ_REQUIRE(whole.replies == split.replies);
  FUZZ_REQUIRE(whole.has_failed == split.has_failed);
  for (const std::string& reply : whole.replies) {
    std::string_view rest = reply;
    std::string copy;
    copy_value(rest, copy, 0);
    FUZZ_REQUIRE(rest.empty() && copy == reply);
  }
  return 0;
}
