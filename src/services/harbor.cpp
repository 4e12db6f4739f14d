#include "services/harbor.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace skyloom::services {
namespace {

constexpr size_t kNameBytesMax = GLOBALNAME_LENGTH - 1;

uint8_t node_of(Handle handle) noexcept {
  return static_cast<uint8_t>(static_cast<uint32_t>(handle) >> HANDLE_REMOTE_SHIFT);
}

// A decimal number off the front; false when there is none, or one that is too large.
template <class Number>
bool take_number(std::string_view& text, Number& number) noexcept {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  return parsed.ec == std::errc();
}

bool is_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kNameBytesMax && name.find('\0') == std::string_view::npos;
}

std::string_view name_of(const remote_message& message) noexcept {
  return {message.destination.name,
          ::strnlen(message.destination.name, sizeof message.destination.name)};
}

}  // namespace

base::Result<HarborOptions, std::string> parse_harbor_options(std::string_view text) {
  HarborOptions options;
  uint32_t slave = 0;
  std::string_view rest = text;
  if (!take_number(rest, options.node)) return std::string("the node must be a number, 0 to 255");
  if (!rest.starts_with(' ')) return std::string("it must be \"node slave\"");
  rest.remove_prefix(1);
  if (!take_number(rest, slave) || slave == 0 || !rest.empty()) {
    return std::string("the slave must be the decimal handle of a service");
  }
  options.slave = Handle{slave};
  return options;
}

bool Harbor::on_start(Context& context, std::string_view arguments) {
  const auto options = parse_harbor_options(arguments);
  if (!options) {
    context.log("[harbor] Invalid parameter \"" + std::string(arguments.substr(0, 64)) +
                "\": " + options.error());
    return false;
  }
  options_ = options.value();
  skynet_harbor_start(context.c_context());
  return true;
}

void Harbor::on_message(Context& context, Message& message) {
  if (message.type == MessageType::kSystem && message.payload.size() == sizeof(remote_message)) {
    return on_outgoing(context, message);
  }
  if (message.type == MessageType::kHarbor) return on_command(context, message);
  context.logf("[harbor] Invalid message from :%x: type %d, %zu bytes",
               static_cast<uint32_t>(message.source), static_cast<int>(message.type),
               message.payload.size());
  (void)context.reply_error(message);
}

// The runtime's own message: the payload that it points to is ours.
void Harbor::on_outgoing(Context& context, Message& message) {
  remote_message remote;
  std::memcpy(&remote, message.payload.data(), sizeof remote);
  Outgoing outgoing{
      {MessageType{static_cast<uint8_t>(remote.type)}, message.session, message.source},
      Bytes::adopt(const_cast<void*>(remote.message), remote.sz)};
  if (remote.destination.handle != 0) {
    send_to_handle(context, Handle{remote.destination.handle}, std::move(outgoing));
  } else {
    send_to_name(context, name_of(remote), std::move(outgoing));
  }
}

// "N name" of the service that has it; "S fd node" and "A fd node" of the slave.
void Harbor::on_command(Context& context, const Message& message) {
  const std::string_view text = message.payload;
  if (text.starts_with("N ") && is_name(text.substr(2))) {
    return learn(context, text.substr(2), message.source);
  }
  if (text.starts_with("S ") || text.starts_with("A ")) {
    const std::string node(text.substr(std::min(text.rfind(' ') + 1, text.size())));
    context.log("[harbor] No link to node " + node + ": links are not supported");
    (void)context.send(options_.slave, {}, "D " + node);
    return;
  }
  context.logf("[harbor] Unknown command from :%x: %.*s", static_cast<uint32_t>(message.source),
               static_cast<int>(std::min<size_t>(text.size(), 64)), text.data());
}

void Harbor::learn(Context& context, std::string_view name, Handle handle) {
  if (names_.size() >= kNamesMax && names_.find(name) == names_.end()) {
    context.logf("[harbor] Too many global names: the limit is %zu", kNamesMax);
    return;
  }
  names_[std::string(name)] = handle;
  const auto found = waiting_.find(name);
  if (found == waiting_.end()) return;
  std::deque<Outgoing> queue = std::move(found->second);
  waiting_.erase(found);
  for (Outgoing& outgoing : queue) {
    --waiting_messages_;
    waiting_bytes_ -= outgoing.payload.size();
    send_to_handle(context, handle, std::move(outgoing));
  }
}

void Harbor::send_to_name(Context& context, std::string_view name, Outgoing outgoing) {
  if (const auto known = names_.find(name); known != names_.end()) {
    return send_to_handle(context, known->second, std::move(outgoing));
  }
  const size_t size = outgoing.payload.size();
  if (waiting_messages_ >= kWaitingMessagesMax || size > kWaitingBytesMax - waiting_bytes_) {
    context.logf("[harbor] Too much waits for unknown global names such as %.*s",
                 static_cast<int>(name.size()), name.data());
    return refuse(context, Handle::kNone, outgoing, "it cannot wait");
  }
  const auto [queue, is_new] = waiting_.try_emplace(std::string(name));
  queue->second.push_back(std::move(outgoing));
  ++waiting_messages_;
  waiting_bytes_ += size;
  if (is_new) (void)context.send(options_.slave, {}, "Q " + std::string(name));
}

void Harbor::send_to_handle(Context& context, Handle to, Outgoing outgoing) {
  if (node_of(to) != 0 && node_of(to) != options_.node) {
    return refuse(context, to, outgoing, "its node is down");
  }
  const SendResult sent = context.send(to, outgoing.envelope, std::move(outgoing.payload));
  if (!sent) refuse(context, to, outgoing, "there is no such service, or it is full");
}

void Harbor::refuse(Context& context, Handle to, const Outgoing& outgoing, std::string_view why) {
  const Envelope& envelope = outgoing.envelope;
  context.logf("[harbor] The message of :%x to :%x is dropped: %.*s (type %d, session %d)",
               static_cast<uint32_t>(envelope.source), static_cast<uint32_t>(to),
               static_cast<int>(why.size()), why.data(), static_cast<int>(envelope.type),
               static_cast<int>(envelope.session));
  if (envelope.type == MessageType::kResponse || envelope.type == MessageType::kError) return;
  (void)context.send(envelope.source, {MessageType::kError, envelope.session, to},
                     std::string_view());
}

}  // namespace skyloom::services
