#include "services/harbor.hpp"

#include <charconv>
#include <cstring>
#include <utility>

#include "services/limits.hpp"

namespace skyloom::services {
namespace {

constexpr uint64_t kWaitingMaxDefault = 10000;

struct Arguments {
  uint32_t id = 0;
  uint32_t slave = 0;
};

std::optional<Arguments> parse(std::string_view text) {
  Arguments arguments;
  const char* const end = text.data() + text.size();
  const auto id = std::from_chars(text.data(), end, arguments.id);
  if (id.ec != std::errc{} || id.ptr == end || *id.ptr != ' ') return std::nullopt;
  const auto slave = std::from_chars(id.ptr + 1, end, arguments.slave);
  if (slave.ec != std::errc{} || slave.ptr != end) return std::nullopt;
  return arguments;
}

}  // namespace

bool Harbor::on_start(Context& context, std::string_view arguments) {
  const std::optional<Arguments> parsed = parse(arguments);
  if (!parsed || parsed->slave == 0) {
    context.log("harbor: wants `id slave`, two decimal numbers");
    return false;
  }
  if (parsed->id != 0) {
    context.logf("harbor: node number %u: only a single node (harbor = 0) is known", parsed->id);
    return false;
  }
  slave_ = Handle{parsed->slave};
  waiting_max_ = limit_of(context, "harbor_queue_max", kWaitingMaxDefault);
  skynet_harbor_start(context.c_context());
  return true;
}

void Harbor::on_message(Context& context, Message& message) {
  if (message.type == MessageType::kHarbor) return on_command(context, message);
  if (message.type == MessageType::kSystem) return on_outgoing(context, message);
}

// "N name": the source has it from now on.
void Harbor::on_command(Context& context, const Message& message) {
  const std::string_view text = message.payload;
  if (text.size() < 3 || text.substr(0, 2) != "N " || text.size() - 2 > GLOBALNAME_LENGTH) {
    return context.logf("harbor: unknown command of %zu bytes from :%08x", text.size(),
                        static_cast<uint32_t>(message.source));
  }
  Name& name = names_[std::string(text.substr(2))];
  name.handle = message.source;
  std::vector<Outgoing> waiting = std::exchange(name.waiting, {});
  waiting_ -= waiting.size();
  for (Outgoing& outgoing : waiting) deliver(context, message.source, std::move(outgoing));
}

void Harbor::on_outgoing(Context& context, const Message& message) {
  remote_message remote;
  if (message.payload.size() != sizeof remote) {
    return context.logf("harbor: a message of %zu bytes from :%08x is none for another node",
                        message.payload.size(), static_cast<uint32_t>(message.source));
  }
  std::memcpy(&remote, message.payload.data(), sizeof remote);
  Outgoing outgoing{
      {MessageType{static_cast<uint8_t>(remote.type)}, message.session, message.source},
      Bytes::adopt(const_cast<void*>(remote.message), remote.sz)};
  if (remote.destination.handle == 0) {
    const char* const name = remote.destination.name;
    return wait_for_name(context, {name, ::strnlen(name, GLOBALNAME_LENGTH)}, std::move(outgoing));
  }
  const Handle to{remote.destination.handle};
  context.logf("error: The message to :%08x is dropped: node %u is down", remote.destination.handle,
               remote.destination.handle >> HANDLE_REMOTE_SHIFT);
  fail(context, to, outgoing.envelope);
}

void Harbor::wait_for_name(Context& context, std::string name, Outgoing outgoing) {
  Name& entry = names_[name];
  if (entry.handle != Handle::kNone) return deliver(context, entry.handle, std::move(outgoing));
  if (waiting_max_ != 0 && waiting_ >= waiting_max_) {
    context.logf(
        "error: The message to %s is dropped: %zu messages wait for names (harbor_queue_max)",
        name.c_str(), waiting_);
    return fail(context, Handle::kNone, outgoing.envelope);
  }
  entry.waiting.push_back(std::move(outgoing));
  ++waiting_;
  (void)context.send(slave_, {MessageType::kText}, "Q " + name);
}

void Harbor::deliver(Context& context, Handle to, Outgoing outgoing) {
  if (!context.send(to, outgoing.envelope, std::move(outgoing.payload))) {
    fail(context, to, outgoing.envelope);
  }
}

// Whoever waits for an answer need not.
void Harbor::fail(Context& context, Handle to, const Envelope& envelope) {
  const bool is_request = envelope.session != Session::kNone &&
                          envelope.type != MessageType::kResponse &&
                          envelope.type != MessageType::kError;
  if (!is_request) return;
  (void)context.send(envelope.source, {MessageType::kError, envelope.session, to},
                     std::string_view());
}

}  // namespace skyloom::services
