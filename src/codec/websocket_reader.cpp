#include "codec/websocket_reader.hpp"

#include <algorithm>
#include <span>

#include "base/memory.hpp"

namespace skyloom::codec {
namespace {

using Next = WebSocketResult<std::optional<WebSocketMessage>>;

constexpr size_t kKeptBytesMax = 4096;  // an idle connection holds no more than this

constexpr WebSocketFailure kTooLarge{kCloseTooLarge, "the message is too large"};
constexpr WebSocketFailure kNotUtf8{kCloseNotUtf8, "a text message is not UTF-8"};
constexpr WebSocketFailure kNoMemory{kCloseInternalError, "not enough memory"};

void forget(std::string& bytes) noexcept {
  bytes.clear();
  if (bytes.capacity() > kKeptBytesMax) std::string().swap(bytes);
}

}  // namespace

WebSocketReader::WebSocketReader(const WebSocketReaderOptions& options) noexcept
    : options_(options) {
  if (options.deflate) inflater_.emplace(*options.deflate);
}

Next WebSocketReader::next(std::string_view& input) noexcept {
  if (is_told_) forget_told();
  if (has_ended_) {
    input = {};
    return std::optional<WebSocketMessage>();
  }
  Next found = read_frames(input);
  const bool is_close = found.ok() && found->has_value() && (*found)->kind == WebSocketKind::kClose;
  has_ended_ = is_close || !found.ok();
  return found;
}

Next WebSocketReader::read_frames(std::string_view& input) noexcept {
  for (;;) {
    if (!has_header_) {
      const WebSocketResult<bool> is_whole = take_header(input);
      if (!is_whole) return is_whole.error();
      if (!is_whole.value()) return std::optional<WebSocketMessage>();
      if (const auto failure = accept_header()) return *failure;
      has_header_ = true;
    }
    if (const auto failure = take_payload(input)) return *failure;
    if (frame_bytes_ < header_.payload_bytes) return std::optional<WebSocketMessage>();
    has_header_ = false;
    frame_bytes_ = 0;
    Next found = finish_frame();
    if (!found.ok() || found->has_value()) return found;
  }
}

// False: it is not whole, and all of `input` is taken.
WebSocketResult<bool> WebSocketReader::take_header(std::string_view& input) noexcept {
  const size_t had = header_size_;
  const size_t taken = std::min(input.size(), sizeof header_bytes_ - had);
  std::copy_n(input.data(), taken, header_bytes_ + had);
  header_size_ = had + taken;
  const auto header = parse_websocket_header({header_bytes_, header_size_});
  if (!header) return header.error();
  if (!header->has_value()) {
    input.remove_prefix(taken);
    return false;
  }
  header_ = **header;
  input.remove_prefix(header_.size - had);
  header_size_ = 0;
  return true;
}

// What depends on the role, on what was agreed on, and on the frames before.
std::optional<WebSocketFailure> WebSocketReader::accept_header() noexcept {
  const auto wrong = [](const char* reason) {
    return WebSocketFailure{kCloseProtocolError, reason};
  };
  if (options_.role == WebSocketRole::kServer && !header_.mask) {
    return wrong("a frame of a client is not masked");
  }
  if (options_.role == WebSocketRole::kClient && header_.mask) {
    return wrong("a frame of a server is masked");
  }
  if (is_control(header_.kind)) return std::nullopt;
  const bool is_first = header_.kind != WebSocketKind::kContinuation;
  if (is_first && kind_) return wrong("a message begins before the last one has ended");
  if (!is_first && !kind_) return wrong("a continuation without a message");
  if (header_.is_compressed && !(is_first && inflater_)) return wrong("a reserved bit is set");
  if (is_first) {
    kind_ = header_.kind;
    is_compressed_ = header_.is_compressed;
    utf8_ = {};
  }
  const size_t bytes_max =
      is_compressed_ ? deflated_bytes_max(options_.message_bytes_max) : options_.message_bytes_max;
  if (header_.payload_bytes > bytes_max - message_.size()) return kTooLarge;
  return std::nullopt;
}

std::optional<WebSocketFailure> WebSocketReader::take_payload(std::string_view& input) noexcept {
  const auto taken =
      static_cast<size_t>(std::min<uint64_t>(input.size(), header_.payload_bytes - frame_bytes_));
  const std::string_view bytes = input.substr(0, taken);
  input.remove_prefix(taken);
  std::span<char> kept;
  if (is_control(header_.kind)) {
    kept = std::span(control_).subspan(control_size_, taken);
    std::copy(bytes.begin(), bytes.end(), kept.begin());
    control_size_ += taken;
  } else {
    if (!base::try_allocate([&] { message_.append(bytes); })) return kNoMemory;
    kept = std::span(message_).last(taken);
  }
  if (header_.mask) apply_mask(*header_.mask, kept, static_cast<size_t>(frame_bytes_));
  frame_bytes_ += taken;
  const bool is_plain_text =
      !is_control(header_.kind) && kind_ == WebSocketKind::kText && !is_compressed_;
  if (is_plain_text && !utf8_.update({kept.data(), kept.size()})) return kNotUtf8;
  return std::nullopt;
}

Next WebSocketReader::finish_frame() noexcept {
  if (!is_control(header_.kind)) {
    if (!header_.is_last) return std::optional<WebSocketMessage>();
    return finish_message();
  }
  WebSocketMessage message{header_.kind, {control_, control_size_}};
  control_size_ = 0;
  if (header_.kind == WebSocketKind::kClose) {
    const auto close = parse_close(message.payload);
    if (!close) return close.error();
    message.payload = close->reason;
    message.close_code = close->code;
  }
  return std::optional(message);
}

Next WebSocketReader::finish_message() noexcept {
  WebSocketMessage message{*kind_, message_};
  kind_.reset();
  is_told_ = true;
  if (is_compressed_) {
    const auto done = inflater_->inflate(message_, options_.message_bytes_max, inflated_);
    if (!done) return done.error();
    message.payload = inflated_;
    if (message.kind == WebSocketKind::kText && !utf8_.update(inflated_)) return kNotUtf8;
  }
  if (message.kind == WebSocketKind::kText && !utf8_.is_whole()) return kNotUtf8;
  return std::optional(message);
}

void WebSocketReader::forget_told() noexcept {
  forget(message_);
  forget(inflated_);
  is_told_ = false;
}

}  // namespace skyloom::codec
