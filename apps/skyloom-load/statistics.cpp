#include "statistics.hpp"

#include <algorithm>

namespace skyloom::load {
namespace {

constexpr size_t kReasonsMax = 16;  // a server cannot make the report grow
constexpr size_t kExamplesMax = 5;

}  // namespace

Reason& Statistics::reason_for(std::string_view text) {
  for (Reason& reason : reasons) {
    if (reason.text == text) return reason;
  }
  if (reasons.size() == kReasonsMax) return reasons.back();
  const bool is_last = reasons.size() + 1 == kReasonsMax;
  Reason& reason = reasons.emplace_back();
  reason.text = is_last ? "others" : text;
  return reason;
}

void Statistics::add_error(std::string_view text, std::string_view detail) {
  ++errors;
  Reason& reason = reason_for(text);
  ++reason.count;
  if (reason.examples.size() < kExamplesMax) reason.examples.emplace_back(detail);
}

void Statistics::merge(const Statistics& other) {
  messages += other.messages;
  messages_total += other.messages_total;
  payload_bytes += other.payload_bytes;
  connections_made += other.connections_made;
  connections_failed += other.connections_failed;
  connections_dropped += other.connections_dropped;
  never_read_closed += other.never_read_closed;
  errors += other.errors;
  corrupt_bytes += other.corrupt_bytes;
  lost += other.lost;
  late += other.late;
  duplicates += other.duplicates;
  corrupt_datagrams += other.corrupt_datagrams;
  first_measured = std::min(first_measured, other.first_measured);
  last_completed = std::max(last_completed, other.last_completed);
  latency.merge(other.latency);
  for (const Reason& from : other.reasons) {
    Reason& into = reason_for(from.text);
    into.count += from.count;
    for (const std::string& example : from.examples) {
      if (into.examples.size() < kExamplesMax) into.examples.push_back(example);
    }
  }
}

base::Nanos Statistics::measured_time() const noexcept {
  return last_completed > first_measured ? last_completed - first_measured : base::Nanos(0);
}

}  // namespace skyloom::load
