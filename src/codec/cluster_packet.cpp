#include "codec/cluster_packet.hpp"

#include <cstring>
#include <optional>

#include "codec/words.hpp"

namespace skyloom::codec {
namespace {

// The first byte of a request.
enum RequestType : uint8_t {
  kByNumber = 0x00,
  kLargeByNumber = 0x01,
  kPartType = 0x02,
  kLastPartType = 0x03,
  kTraceType = 0x04,
  kLargePushByNumber = 0x41,
  kByName = 0x80,
  kLargeByName = 0x81,
  kLargePushByName = 0xc1,
};

constexpr auto kLittle = std::endian::little;
using Request = base::Result<ClusterRequest, ClusterFault>;
using Answer = base::Result<ClusterAnswer, ClusterFault>;

// Takes fields off the front; what is not there is nothing.
class Fields {
 public:
  explicit Fields(std::string_view packet) noexcept : rest_(packet) {}

  std::optional<uint8_t> byte() noexcept {
    if (rest_.empty()) return std::nullopt;
    return static_cast<uint8_t>(bytes(1)->front());
  }
  std::optional<uint32_t> number() noexcept {
    const auto field = bytes(sizeof(uint32_t));
    if (!field) return std::nullopt;
    return load<uint32_t, kLittle>(field->data());
  }
  std::optional<std::string_view> bytes(size_t size) noexcept {
    if (rest_.size() < size) return std::nullopt;
    const std::string_view field = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return field;
  }
  std::string_view rest() const noexcept { return rest_; }

 private:
  std::string_view rest_;
};

// Nothing when it is cut off, or a name is empty.
std::optional<ClusterAddress> take_address(Fields& fields, bool is_name) noexcept {
  ClusterAddress address;
  if (!is_name) {
    const auto number = fields.number();
    if (!number) return std::nullopt;
    address.number = *number;
    return address;
  }
  const auto size = fields.byte();
  if (!size || *size == 0) return std::nullopt;
  const auto name = fields.bytes(*size);
  if (!name) return std::nullopt;
  address.name = *name;
  return address;
}

Request parse_whole(Fields fields, bool is_name) noexcept {
  const auto address = take_address(fields, is_name);
  if (!address) return ClusterFault("a request without a whole address");
  const auto session = fields.number();
  if (!session) return ClusterFault("a request without a session");
  if (*session > kClusterSessionMax) return ClusterFault("a session of more than 31 bits");
  if (is_large_cluster_request(fields.rest().size())) {
    return ClusterFault("a request of 32 KiB or more in one packet");
  }
  return ClusterRequest{.address = *address, .session = *session, .payload = fields.rest()};
}

Request parse_large(Fields fields, bool is_name, ClusterRequestKind kind) noexcept {
  const auto address = take_address(fields, is_name);
  if (!address) return ClusterFault("a large request without a whole address");
  const auto session = fields.number();
  const auto total = fields.number();
  if (!session || !total) return ClusterFault("a large request without session and size");
  if (!fields.rest().empty()) return ClusterFault("a large request with bytes behind its size");
  if (*session == 0 || *session > kClusterSessionMax) {
    return ClusterFault("a large request whose session is 0 or has more than 31 bits");
  }
  return ClusterRequest{.kind = kind, .address = *address, .session = *session, .total = *total};
}

Request parse_part(Fields fields, ClusterRequestKind kind) noexcept {
  const auto session = fields.number();
  if (!session) return ClusterFault("a part without a session");
  if (fields.rest().size() > kClusterPartBytes) return ClusterFault("a part of more than 32 KiB");
  return ClusterRequest{.kind = kind, .session = *session, .payload = fields.rest()};
}

// Writes the fields of a packet behind the room for its length.
class Head {
 public:
  explicit Head(char* into) noexcept : begin_(into), at_(into + kClusterLengthBytes) {}

  void byte(uint8_t value) noexcept { *at_++ = static_cast<char>(value); }
  void number(uint32_t value) noexcept {
    store<kLittle>(value, at_);
    at_ += sizeof value;
  }
  void name(std::string_view text) noexcept {
    byte(static_cast<uint8_t>(text.size()));
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  // With so much of the payload behind it.
  size_t finish(size_t payload) noexcept {
    const auto size = static_cast<size_t>(at_ - begin_);
    const size_t packet = size - kClusterLengthBytes + payload;
    SKYLOOM_CHECK(packet <= kClusterPacketBytesMax);
    store<std::endian::big>(static_cast<uint16_t>(packet), begin_);
    return size;
  }

 private:
  char* const begin_;
  char* at_;
};

uint8_t request_type(bool is_name, bool is_large, ClusterWants wants) noexcept {
  if (!is_large) return is_name ? kByName : kByNumber;
  if (wants == ClusterWants::kAnswer) return is_name ? kLargeByName : kLargeByNumber;
  return is_name ? kLargePushByName : kLargePushByNumber;
}

}  // namespace

Request parse_cluster_request(std::string_view packet) noexcept {
  Fields fields(packet);
  const auto type = fields.byte();
  if (!type) return ClusterFault("an empty packet");
  switch (*type) {
    case kByNumber: return parse_whole(fields, false);
    case kByName: return parse_whole(fields, true);
    case kLargeByNumber: return parse_large(fields, false, ClusterRequestKind::kLarge);
    case kLargeByName: return parse_large(fields, true, ClusterRequestKind::kLarge);
    case kLargePushByNumber: return parse_large(fields, false, ClusterRequestKind::kLargePush);
    case kLargePushByName: return parse_large(fields, true, ClusterRequestKind::kLargePush);
    case kPartType: return parse_part(fields, ClusterRequestKind::kPart);
    case kLastPartType: return parse_part(fields, ClusterRequestKind::kLastPart);
    case kTraceType:
      return ClusterRequest{.kind = ClusterRequestKind::kTrace, .payload = fields.rest()};
    default: return ClusterFault("a packet of an unknown type");
  }
}

Answer parse_cluster_answer(std::string_view packet) noexcept {
  Fields fields(packet);
  const auto session = fields.number();
  const auto type = fields.byte();
  if (!session || !type) return ClusterFault("an answer without session and type");
  if (*type > static_cast<uint8_t>(ClusterAnswerKind::kLastPart)) {
    return ClusterFault("an answer of an unknown type");
  }
  ClusterAnswer answer{.kind = static_cast<ClusterAnswerKind>(*type), .session = *session};
  if (answer.kind == ClusterAnswerKind::kLarge) {
    const auto total = fields.number();
    if (!total || !fields.rest().empty()) return ClusterFault("a large answer without its size");
    answer.total = *total;
    return answer;
  }
  if (fields.rest().size() > kClusterPartBytes) {
    return ClusterFault("an answer of more than 32 KiB in one packet");
  }
  answer.payload = fields.rest();
  return answer;
}

size_t write_cluster_request(const ClusterAddress& address, ClusterWants wants, uint32_t session,
                             size_t payload, char* into) noexcept {
  SKYLOOM_CHECK(address.name.size() <= kClusterNameBytesMax && payload <= kClusterTotalBytesMax);
  const bool is_name = !address.name.empty();
  const bool is_large = is_large_cluster_request(payload);
  Head head(into);
  head.byte(request_type(is_name, is_large, wants));
  if (is_name) {
    head.name(address.name);
  } else {
    head.number(address.number);
  }
  // A large push keeps its session: its parts are found by it.
  head.number(wants == ClusterWants::kAnswer || is_large ? session : 0);
  if (!is_large) return head.finish(payload);
  head.number(static_cast<uint32_t>(payload));
  return head.finish(0);
}

size_t write_cluster_part(ClusterRequestKind kind, uint32_t session, size_t payload,
                          char* into) noexcept {
  Head head(into);
  head.byte(kind == ClusterRequestKind::kLastPart ? kLastPartType : kPartType);
  head.number(session);
  return head.finish(payload);
}

size_t write_cluster_trace(size_t tag, char* into) noexcept {
  Head head(into);
  head.byte(kTraceType);
  return head.finish(tag);
}

size_t write_cluster_answer(ClusterAnswerKind kind, uint32_t session, size_t payload,
                            char* into) noexcept {
  Head head(into);
  head.number(session);
  head.byte(static_cast<uint8_t>(kind));
  if (kind != ClusterAnswerKind::kLarge) return head.finish(payload);
  SKYLOOM_CHECK(payload <= kClusterTotalBytesMax);
  head.number(static_cast<uint32_t>(payload));
  return head.finish(0);
}

}  // namespace skyloom::codec
