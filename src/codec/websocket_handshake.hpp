// The opening handshake of the WebSocket protocol (RFC 6455, 4) as far as it is its own: keys, the
// answer of a server, and what is agreed on about permessage-deflate (RFC 7692, 7.1). Pure
// functions: no I/O, no state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.hpp"
#include "base/text.hpp"
#include "codec/websocket_deflate.hpp"

namespace skyloom::codec {

inline constexpr size_t kWebSocketKeyBytes = 16;
using WebSocketKeyText = std::array<char, 24>;     // of a client, base64
using WebSocketAcceptText = std::array<char, 28>;  // of the server, base64

WebSocketKeyText websocket_key(
    const std::array<unsigned char, kWebSocketKeyBytes>& chance) noexcept;
// The answer to a key; nullopt: it is not 16 bytes in base64.
std::optional<WebSocketAcceptText> websocket_accept(std::string_view key) noexcept;

// Whether a comma-separated list, as in `Connection: keep-alive, Upgrade`, has this token, in
// lower case.
bool has_token(std::string_view list, std::string_view token) noexcept;

// What we are willing to do.
enum class DeflatePolicy : uint8_t {
  kNone,        // no compression
  kNoTakeover,  // each message for itself: an idle connection has no window
  kTakeover,    // windows on both sides, about 300 KB per connection
};

struct DeflateAgreement {
  DeflateTerms server;  // of what the server sends
  DeflateTerms client;
};
using ExtensionText = base::Text<159>;
struct DeflateAnswer {
  std::optional<DeflateAgreement> agreement;  // nullopt: no compression
  ExtensionText text;                         // of the answer's header; empty without an agreement
};
struct HandshakeFault {
  const char* reason;  // what is wrong with a peer's header
};

// A client's offer; empty: none.
std::string_view deflate_offer(DeflatePolicy policy) noexcept;
// A server's answer to what the client has offered, the value of its Sec-WebSocket-Extensions.
base::Result<DeflateAnswer, HandshakeFault> answer_extensions(std::string_view offered,
                                                              DeflatePolicy policy) noexcept;
// What a server's answer means; it must be one to deflate_offer(policy).
base::Result<std::optional<DeflateAgreement>, HandshakeFault> accept_extensions(
    std::string_view answered, DeflatePolicy policy) noexcept;

inline constexpr size_t kUpgradeAnswerBytesMax = 8192;

// A server's answer to a request for an upgrade; the texts are inside of the input.
struct UpgradeAnswer {
  size_t size = 0;  // bytes of the input, answers 1xx before it included; frames follow
  uint16_t status = 0;
  std::string_view reason;  // of the status line
  // Of status 101 only:
  std::string_view accept;
  std::string_view protocol;
  std::string_view extensions;
};
// nullopt means "need more bytes", which never happens at kUpgradeAnswerBytesMax or more. Status
// 101 comes with all that RFC 6455, 4.2.2 demands, `accept` unchecked.
base::Result<std::optional<UpgradeAnswer>, HandshakeFault> parse_upgrade_answer(
    std::string_view input) noexcept;

}  // namespace skyloom::codec
