// The opening handshake of WebSocket: keys, lists of extensions, and the answer of a server. What
// is understood is held against what it must mean. Input: a byte that chooses, then the text.
#include <string>
#include <string_view>
#include <vector>

#include "codec/websocket_handshake.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace skyloom::codec;

void try_extensions(std::string_view text, DeflatePolicy policy) {
  const auto answer = answer_extensions(text, policy);
  if (!answer.ok()) return;
  FUZZ_REQUIRE(answer->agreement.has_value() == !answer->text.view().empty());
  if (!answer->agreement) return;
  FUZZ_REQUIRE(policy != DeflatePolicy::kNone);
  FUZZ_REQUIRE(answer->agreement->server.window_bits >= kDeflateWindowBitsMin);
  // The client side of ours understands the same.
  const auto accepted = accept_extensions(answer->text, policy);
  FUZZ_REQUIRE(accepted.ok() && accepted->has_value());
  FUZZ_REQUIRE((*accepted)->server.has_takeover == answer->agreement->server.has_takeover);
  FUZZ_REQUIRE((*accepted)->client.has_takeover == answer->agreement->client.has_takeover);
}

void try_answer(std::string_view text) {
  // In a block of its own, so that a read beyond its end is seen.
  const std::vector<char> bytes(text.begin(), text.end());
  const auto answer = parse_upgrade_answer({bytes.data(), bytes.size()});
  if (!answer.ok()) return;
  FUZZ_REQUIRE(answer->has_value() || text.size() < kUpgradeAnswerBytesMax);
  if (!answer->has_value()) return;
  FUZZ_REQUIRE((*answer)->size <= text.size());
  FUZZ_REQUIRE(text.substr(0, (*answer)->size).ends_with("\r\n\r\n"));
  FUZZ_REQUIRE((*answer)->status >= 100 && (*answer)->status <= 999);
  const auto shortest = parse_upgrade_answer({bytes.data(), (*answer)->size});
  FUZZ_REQUIRE(shortest.ok() && shortest->has_value() && (*shortest)->size == (*answer)->size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  skyloom::fuzz::Input input(bytes, size);
  const uint8_t choice = input.byte();
  const std::string_view text = input.rest();
  switch (choice % 4) {
    case 0: try_answer(text); break;
    case 1: (void)websocket_accept(text); break;
    default:
      try_extensions(text, choice % 4 == 2 ? DeflatePolicy::kTakeover : DeflatePolicy::kNoTakeover);
  }
  return 0;
}
