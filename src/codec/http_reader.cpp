#include "codec/http_reader.hpp"

#include "base/check.hpp"
#include "base/memory.hpp"

namespace skyloom::codec {

using base::Result;

Result<std::optional<HttpRequest>, HttpFault> http_request_in_place(
    std::string_view input, const HttpLimits& limits) noexcept {
  const auto size = http_head_size(input, 0, limits.head_bytes);
  if (!size) return size.error();
  if (!size.value()) return std::optional<HttpRequest>();
  const size_t head_bytes = *size.value();
  const auto head = parse_http_head(input.substr(0, head_bytes), HttpRole::kRequest);
  if (!head) return head.error();
  const auto body = HttpBody::create(head.value(), limits);
  if (!body) return body.error();
  const uint64_t length = body.value().missing_bytes();
  const bool is_whole =
      body.value().is_at_end() || (length != 0 && length <= input.size() - head_bytes);
  if (!is_whole) return std::optional<HttpRequest>();
  const auto body_bytes = static_cast<size_t>(length);
  return std::optional(HttpRequest{.head = head.value(),
                                   .body = input.substr(head_bytes, body_bytes),
                                   .size = head_bytes + body_bytes});
}

Result<HttpReader::Progress, HttpFault> HttpReader::feed(std::string_view input) noexcept {
  SKYLOOM_CHECK(phase_ != Phase::kWhole);
  consumed_ = 0;
  Result<Progress, HttpFault> progress = Progress::kNoMemory;
  const bool had_memory = base::try_allocate(
      [&] { progress = phase_ == Phase::kHead ? feed_head(input) : feed_body(input); });
  if (!had_memory) return Progress::kNoMemory;
  return progress;
}

Result<HttpReader::Progress, HttpFault> HttpReader::feed_head(std::string_view input) {
  while (!input.empty()) {
    // What comes in one piece stays where it is.
    const size_t before = head_text_.size();
    if (before != 0) head_text_.append(input.substr(0, limits_.head_bytes - before));
    const std::string_view seen = before == 0 ? input : std::string_view(head_text_);
    const auto size = http_head_size(seen, before, limits_.head_bytes);
    if (!size) return size.error();
    if (!size.value()) {
      if (before == 0) head_text_.assign(input);
      consumed_ += input.size();
      return Progress::kHead;
    }
    const auto head = parse_http_head(seen.substr(0, *size.value()), role_);
    if (!head) return head.error();
    head_ = *head;
    consumed_ += *size.value() - before;
    input.remove_prefix(*size.value() - before);
    if (!is_interim()) {
      head_text_.resize(before == 0 ? 0 : *size.value());
      return begin_body(seen.substr(0, *size.value()), input);
    }
    head_text_.clear();
    if (++interims_ > kHttpInterimsMax) {
      return HttpFault{kHttpBadRequest, base::Text<127>("more than ")
                                            << kHttpInterimsMax << " interim responses"};
    }
  }
  return Progress::kHead;
}

Result<HttpReader::Progress, HttpFault> HttpReader::begin_body(std::string_view head,
                                                               std::string_view input) {
  const auto decoder = HttpBody::create(head_, limits_);
  if (!decoder) return decoder.error();
  decoder_ = *decoder;
  const auto missing = decoder_.missing_bytes();
  if (decoder_.is_at_end() || (missing != 0 && missing <= input.size())) {
    body_ = input.substr(0, static_cast<size_t>(missing));
    consumed_ += body_.size();
    phase_ = Phase::kWhole;
    return Progress::kWhole;
  }
  if (head_text_.empty()) head_text_.assign(head);  // it came in one piece, the body does not
  phase_ = Phase::kBody;
  return feed_body(input);
}

Result<HttpReader::Progress, HttpFault> HttpReader::feed_body(std::string_view input) {
  while (!input.empty() && !decoder_.is_at_end()) {
    const auto step = decoder_.next(input);
    if (!step) return step.error();
    body_text_.append(step.value().data);
    consumed_ += step.value().consumed;
    input.remove_prefix(step.value().consumed);
  }
  body_ = body_text_;
  if (!decoder_.is_at_end()) return Progress::kBody;
  (void)take_head();
  phase_ = Phase::kWhole;
  return Progress::kWhole;
}

// Of all interim responses only 101 ends what HTTP has to say.
bool HttpReader::is_interim() const noexcept {
  return role_ != HttpRole::kRequest && head_.status < 200 && head_.status != 101;
}

const HttpHead& HttpReader::take_head() noexcept {
  if (phase_ == Phase::kBody) head_ = *parse_http_head(head_text_, role_);
  return head_;
}

void HttpReader::drop_body() noexcept {
  body_text_.clear();
  body_ = {};
}

bool HttpReader::finish() noexcept {
  if (phase_ == Phase::kBody && decoder_.finish()) {
    (void)take_head();
    phase_ = Phase::kWhole;
  }
  return phase_ == Phase::kWhole;
}

}  // namespace skyloom::codec
