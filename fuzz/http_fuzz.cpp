// HTTP/1 messages. The answer must not depend on how the bytes arrive, what is read without memory
// must be the same as what a reader reads, and a request that is written out again, with a length
// in place of chunks, must be read as the same: nothing of it may depend on what we made of the
// first spelling. Input: the role and the sizes of pieces, then the bytes.
#include <string>
#include <vector>

#include "codec/http_reader.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace skyloom::codec;
using Progress = HttpReader::Progress;

constexpr HttpLimits kLimits{.head_bytes = 1024, .body_bytes = 512};

struct Answer {
  int fault = 0;
  std::string reason;
  bool is_whole = false;
  std::string method;
  std::string target;
  int status = 0;
  std::string fields;
  bool is_persistent = false;
  std::string body;
  size_t consumed = 0;
  bool operator==(const Answer&) const = default;
};

void note_head(const HttpHead& head, Answer& answer) {
  answer.method = head.method;
  answer.target = head.target;
  answer.status = head.status;
  answer.fields = head.fields;
  answer.is_persistent = head.is_persistent;
}

// `piece_bytes` is used in turns.
Answer read(HttpRole role, std::string_view input, const std::vector<size_t>& piece_bytes) {
  HttpReader reader(role, kLimits);
  Answer answer;
  for (size_t turn = 0; answer.consumed < input.size() && !answer.is_whole; ++turn) {
    const std::string piece(input.substr(answer.consumed, piece_bytes[turn % piece_bytes.size()]));
    const auto progress = reader.feed(piece);
    if (!progress) {
      Answer refused;
      refused.fault = progress.error().status;
      refused.reason = progress.error().reason.view();
      return refused;
    }
    FUZZ_REQUIRE(progress.value() != Progress::kNoMemory);
    FUZZ_REQUIRE(reader.consumed() <= piece.size());
    answer.consumed += reader.consumed();
    answer.is_whole = progress.value() == Progress::kWhole;
    FUZZ_REQUIRE(answer.is_whole || reader.consumed() == piece.size());
    if (!answer.is_whole) continue;
    note_head(reader.head(), answer);
    answer.body = reader.body();
  }
  if (!answer.is_whole && reader.finish()) {
    FUZZ_REQUIRE(role == HttpRole::kResponse);
    answer.is_whole = true;
    note_head(reader.head(), answer);
    answer.body = reader.body();
  }
  return answer;
}

void require_same_in_place(std::string_view input, const Answer& whole) {
  const auto found = http_request_in_place(input, kLimits);
  if (!found) {
    FUZZ_REQUIRE(found.error().status == whole.fault &&
                 found.error().reason.view() == whole.reason);
    return;
  }
  if (!found.value()) return;
  Answer in_place;
  in_place.is_whole = true;
  note_head(found.value()->head, in_place);
  in_place.body = found.value()->body;
  in_place.consumed = found.value()->size;
  FUZZ_REQUIRE(in_place == whole);
}

std::string lower(std::string_view name) {
  std::string text(name);
  for (char& byte : text) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte + ('a' - 'A'));
  }
  return text;
}

// As fields of HTTP/1.1, which needs a host.
void require_valid_fields(std::string_view fields, std::string& rewritten) {
  bool has_host = false;
  while (!fields.empty()) {
    const HttpField field = next_http_field(fields);
    FUZZ_REQUIRE(is_http_token(field.name) && is_http_value(field.value));
    const std::string name = lower(field.name);
    if (name == "content-length" || name == "transfer-encoding") continue;
    if (name == "host") has_host = true;
    rewritten += std::string(field.name) + ": " + std::string(field.value) + "\r\n";
  }
  if (!has_host) rewritten += "host: x\r\n";
}

void require_same_when_rewritten(const Answer& whole) {
  FUZZ_REQUIRE(is_http_token(whole.method) && is_http_target(whole.target));
  std::string fields;
  require_valid_fields(whole.fields, fields);
  std::string text = whole.method + " " + whole.target + " HTTP/1.1\r\n" + fields +
                     "content-length: " + std::to_string(whole.body.size()) + "\r\n\r\n" +
                     whole.body;
  if (text.size() - whole.body.size() > kLimits.head_bytes) return;
  const Answer again = read(HttpRole::kRequest, text, {text.size()});
  if (again.fault == kHttpTooLarge) return;  // one field more
  FUZZ_REQUIRE(again.is_whole && again.consumed == text.size());
  FUZZ_REQUIRE(again.method == whole.method && again.target == whole.target);
  FUZZ_REQUIRE(again.body == whole.body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  constexpr HttpRole kRoles[] = {HttpRole::kRequest, HttpRole::kResponse,
                                 HttpRole::kResponseToHead};
  skyloom::fuzz::Input reader(input, size);
  const uint8_t choice = reader.byte();
  const HttpRole role = kRoles[choice % std::size(kRoles)];
  const std::vector<size_t> pieces = {size_t{1} + choice / 3 % 8, size_t{1} + choice / 24};
  const std::string_view bytes = reader.rest();
  if (bytes.empty()) return 0;
  const Answer whole = read(role, bytes, {bytes.size()});
  FUZZ_REQUIRE(read(role, bytes, pieces) == whole);
  FUZZ_REQUIRE(read(role, bytes, {1}) == whole);
  FUZZ_REQUIRE(whole.body.size() <= kLimits.body_bytes);
  if (role != HttpRole::kRequest) return 0;
  require_same_in_place(bytes, whole);
  if (whole.is_whole) require_same_when_rewritten(whole);
  return 0;
}
