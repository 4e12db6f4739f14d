// Cuts the same stream twice, whole and as it might arrive, byte group by byte group: both must
// give the same frames, the same error at the same place, and stay inside the input. Input:
// framing, limit, size of the groups, then the stream.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/framing.hpp"

namespace {

using skyloom::codec::Frame;
using skyloom::codec::Framing;

inline constexpr size_t kParameterBytes = 4;

struct Cut {
  std::vector<std::string> frames;
  bool failed = false;
  size_t rest = 0;  // bytes behind the last frame
};

void require(bool condition) {
  if (!condition) std::abort();
}

// Takes the frames that are whole off the front of `input`. False after an error.
bool cut_available(Framing framing, std::string& input, size_t limit, size_t& scanned, Cut& cut) {
  while (true) {
    const auto next = skyloom::codec::next_frame(framing, input, limit, scanned);
    if (!next.ok()) return false;
    const std::optional<Frame>& frame = next.value();
    if (!frame) break;
    const size_t before =
        frame->payload.empty() ? 0 : static_cast<size_t>(frame->payload.data() - input.data());
    require(frame->payload.empty() || frame->payload.data() >= input.data());
    require(frame->consumed > 0 && frame->consumed <= input.size());
    require(before + frame->payload.size() <= frame->consumed);
    require(framing == Framing::kNone || frame->payload.size() <= limit);
    cut.frames.emplace_back(frame->payload.begin(), frame->payload.end());
    input.erase(0, frame->consumed);
    scanned = 0;
  }
  // What was searched need not be searched again; the framing may also be told nothing.
  scanned = framing == Framing::kLine ? input.size() : 0;
  return true;
}

Cut cut_in_groups(Framing framing, std::string_view stream, size_t limit, size_t group) {
  Cut cut;
  std::string input;
  size_t scanned = 0;
  while (!stream.empty() && !cut.failed) {
    const std::string_view arrived = stream.substr(0, group);
    stream.remove_prefix(arrived.size());
    input.append(arrived);
    cut.failed = !cut_available(framing, input, limit, scanned, cut);
  }
  cut.rest = cut.failed ? 0 : input.size();
  return cut;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  if (size < kParameterBytes) return 0;
  const auto framing = static_cast<Framing>(input[0] % 4);
  const size_t limit = static_cast<size_t>(input[1]) << 8 | input[2];
  const size_t group = size_t{1} + input[3];
  const std::string_view stream(reinterpret_cast<const char*>(input) + kParameterBytes,
                                size - kParameterBytes);
  const Cut whole = cut_in_groups(framing, stream, limit, stream.size() + 1);
  const Cut split = cut_in_groups(framing, stream, limit, group);
  require(whole.failed == split.failed);
  require(whole.rest == split.rest);
  if (framing == Framing::kNone) return 0;  // its frames are the groups
  require(whole.frames == split.frames);
  for (const std::string& frame : whole.frames) {  // and back: what was cut can be framed again
    char header[skyloom::codec::kFrameHeaderBytesMax];
    require(skyloom::codec::put_header(framing, frame.size(), header));
  }
  return 0;
}
