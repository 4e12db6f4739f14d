// The packets of a cluster. What is taken must be what the writers make of it, byte for byte, so
// that no two packets mean the same; and the search for pointers must end wherever the bytes do,
// and not depend on what stands behind the first one. Input: which side reads it, then the packet.
#include <string>

#include "codec/cluster_packet.hpp"
#include "codec/packed_pointer.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace skyloom::codec;

void require_inside(std::string_view packet, std::string_view part) {
  if (part.empty()) return;
  FUZZ_REQUIRE(part.data() >= packet.data());
  FUZZ_REQUIRE(part.data() + part.size() <= packet.data() + packet.size());
}

// Whether nine bytes could be a pointer other than null.
bool looks_like_pointer(std::string_view nine) {
  return (nine[0] & 7) == 3 && nine.substr(1) != std::string_view("\0\0\0\0\0\0\0\0", 8);
}

void require_pointers(std::string_view payload) {
  if (!holds_packed_pointer(payload)) return;
  bool is_there = false;
  for (size_t at = 0; at + 9 <= payload.size() && !is_there; ++at) {
    is_there = looks_like_pointer(payload.substr(at, 9));
  }
  FUZZ_REQUIRE(is_there);
  // What stands behind changes nothing.
  FUZZ_REQUIRE(holds_packed_pointer(std::string(payload) + "\7\7\7"));
}

std::string written(const ClusterRequest& request) {
  char head[kClusterHeadBytesMax];
  size_t size = 0;
  switch (request.kind) {
    case ClusterRequestKind::kWhole:
      size = write_cluster_request(
          request.address, request.session == 0 ? ClusterWants::kNothing : ClusterWants::kAnswer,
          request.session, request.payload.size(), head);
      break;
    case ClusterRequestKind::kLarge:
      size = write_cluster_request(request.address, ClusterWants::kAnswer, request.session,
                                   request.total, head);
      break;
    case ClusterRequestKind::kLargePush:
      size = write_cluster_request(request.address, ClusterWants::kNothing, request.session,
                                   request.total, head);
      break;
    case ClusterRequestKind::kPart:
    case ClusterRequestKind::kLastPart:
      size = write_cluster_part(request.kind, request.session, request.payload.size(), head);
      break;
    case ClusterRequestKind::kTrace:
      size = write_cluster_trace(request.payload.size(), head);
      break;
  }
  return std::string(head, size).append(request.payload);
}

void require_same(std::string_view packet, const std::string& again) {
  FUZZ_REQUIRE(std::string_view(again).substr(kClusterLengthBytes) == packet);
  const auto length = static_cast<uint8_t>(again[0]) << 8 | static_cast<uint8_t>(again[1]);
  FUZZ_REQUIRE(static_cast<size_t>(length) == packet.size());
}

void read_request(std::string_view packet) {
  const auto parsed = parse_cluster_request(packet);
  if (!parsed.ok()) return;
  const ClusterRequest& request = parsed.value();
  require_inside(packet, request.payload);
  require_inside(packet, request.address.name);
  require_pointers(request.payload);
  const bool is_large =
      request.kind == ClusterRequestKind::kLarge || request.kind == ClusterRequestKind::kLargePush;
  if (is_large && !is_large_cluster_request(request.total)) return;  // nobody writes so small ones
  require_same(packet, written(request));
}

void read_answer(std::string_view packet) {
  const auto parsed = parse_cluster_answer(packet);
  if (!parsed.ok()) return;
  const ClusterAnswer& answer = parsed.value();
  require_inside(packet, answer.payload);
  require_pointers(answer.payload);
  char head[kClusterHeadBytesMax];
  const bool is_large = answer.kind == ClusterAnswerKind::kLarge;
  const size_t size = write_cluster_answer(answer.kind, answer.session,
                                           is_large ? answer.total : answer.payload.size(), head);
  require_same(packet, std::string(head, size).append(answer.payload));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  skyloom::fuzz::Input reader(input, size);
  const bool is_request = reader.byte() % 2 == 0;
  const std::string_view packet = reader.rest().substr(0, kClusterPacketBytesMax);
  if (is_request) {
    read_request(packet);
  } else {
    read_answer(packet);
  }
  return 0;
}
