// From the arguments of a send to a message in a mailbox, here or at the harbor.
#include <cstring>

#include "actor/system.hpp"

namespace skyloom::actor {

// A send on its way: what the arguments of skynet_send mean.
struct System::Outgoing {
  uint32_t source;
  int type;
  int session;
  base::Block payload;
  size_t size;
};

namespace {

constexpr int kBadDestination = -1;
constexpr int kTooLarge = -2;

bool is_request(int type) noexcept {
  return type != kTypeResponse && type != kTypeError;
}

bool is_never_refused(int type) noexcept {
  return !is_request(type) || type == kTypeSystem;
}

// The payload as one block of ours: adopted, or copied with a NUL behind it. False without memory.
bool make_payload(int type, void* data, size_t size, base::Block& payload) noexcept {
  if (data == nullptr) return true;
  if ((type & kTagDontCopy) != 0) {
    payload.reset(static_cast<char*>(data));
    return true;
  }
  payload = base::make_block(size + 1);
  if (!payload) return false;
  std::memcpy(payload.get(), data, size);
  payload.get()[size] = '\0';
  return true;
}

void free_if_adopted(int type, void* data) noexcept {
  if ((type & kTagDontCopy) != 0) std::free(data);
}

}  // namespace

bool System::is_remote(uint32_t handle) const noexcept {
  const uint32_t harbor = handle >> kHarborShift;
  return harbor != 0 && harbor != options_.harbor;
}

bool System::is_too_large(size_t size) noexcept {
  if (size <= options_.limits.message_bytes_max && size <= kPayloadBytesMax) return false;
  counters_.add(&Counters::messages_too_large);
  return true;
}

int System::send(Service& from, uint32_t source, uint32_t destination, int type, int session,
                 void* data, size_t size) noexcept {
  if (source == 0) source = from.handle();
  if (is_too_large(size)) {
    logf(from.handle(), "error: The message to %x is too large", destination);
    free_if_adopted(type, data);
    return kTooLarge;
  }
  if ((type & kTagAllocSession) != 0) session = from.next_session();
  if (destination == 0) {
    if (data == nullptr) return session;
    log(from.handle(), "error: Destination address can't be 0");
    free_if_adopted(type, data);
    return kBadDestination;
  }
  // What the harbor gets as such holds a pointer that it follows: it comes from send_remote()
  // alone.
  if ((type & kTypeMask) == kTypeSystem && destination == harbor_service_.load()) {
    log(from.handle(), "error: A message of type system can't be sent to the harbor");
    free_if_adopted(type, data);
    return kBadDestination;
  }
  Outgoing outgoing{source, type & kTypeMask, session, nullptr, data == nullptr ? 0 : size};
  if (!make_payload(type, data, size, outgoing.payload)) return kBadDestination;
  if (is_remote(destination)) {
    RemoteName name;
    name.handle = destination;
    return send_remote(name, outgoing);
  }
  const PushResult result = push(destination, Message(outgoing.type, source, session,
                                                      std::move(outgoing.payload), outgoing.size));
  return is_delivered(result) ? session : kBadDestination;
}

int System::send_name(Service& from, uint32_t source, const char* destination, int type,
                      int session, void* data, size_t size) noexcept {
  if (destination == nullptr || destination[0] == ':' || destination[0] == '.') {
    const uint32_t handle = query_name(from.handle(), destination);
    if (handle != 0 || (destination != nullptr && destination[0] == ':')) {
      return send(from, source, handle, type, session, data, size);
    }
    free_if_adopted(type, data);
    return kBadDestination;
  }
  if (is_too_large(size)) {
    logf(from.handle(), "error: The message to %s is too large", destination);
    free_if_adopted(type, data);
    return kTooLarge;
  }
  if (source == 0) source = from.handle();
  if ((type & kTagAllocSession) != 0) session = from.next_session();
  Outgoing outgoing{source, type & kTypeMask, session, nullptr, data == nullptr ? 0 : size};
  if (!make_payload(type, data, size, outgoing.payload)) return kBadDestination;
  RemoteName name;
  std::memcpy(name.name, destination, ::strnlen(destination, sizeof(name.name)));
  return send_remote(name, outgoing);
}

// Always the session: whether it arrives is the harbor's to tell.
int System::send_remote(const RemoteName& destination, Outgoing& outgoing) noexcept {
  const int session = outgoing.session;
  const int type = outgoing.type;
  const uint32_t source = outgoing.source;
  const auto fail = [&](const char* reason) {
    if (destination.handle != 0) {
      logf(source, "error: The message to :%x is dropped: %s", destination.handle, reason);
    } else {
      logf(source, "error: The message to %.16s is dropped: %s", destination.name, reason);
    }
    if (session != 0 && is_request(type)) send_error(destination.handle, source, session);
    return session;
  };
  if (type == kTypeSystem || type == kTypeHarbor) return fail("its type can't leave the node");
  const uint32_t harbor = harbor_service_.load();
  base::Block block = base::make_block(sizeof(RemoteMessage));
  if (harbor == 0) return fail("no harbor service is running");
  if (!block) return fail("out of memory");
  RemoteMessage remote;
  remote.destination = destination;
  remote.message = outgoing.payload.get();
  remote.sz = outgoing.size;
  remote.type = type;
  std::memcpy(block.get(), &remote, sizeof(remote));
  Message message(kTypeSystem, source, session, std::move(block), sizeof(remote));
  const PushMode mode = is_request(type) ? PushMode::kBounded : PushMode::kAlways;
  if (!is_delivered(push_to(harbor, message, mode))) return fail("the harbor does not take it");
  outgoing.payload.release();  // the harbor's now; NOLINT: bugprone-unused-return-value
  return session;
}

size_t System::weigh(const RawMessage& message) const noexcept {
  if (message.type() != kTypeSocket || message.source != 0) return message.size();
  return message.size() + hooks_.weight_of(message);
}

PushResult System::push_to(uint32_t handle, Message& message, PushMode mode) noexcept {
  Service* service = find(handle);
  if (service == nullptr) return PushResult::kNoSuchService;
  const Mailbox::Pushed pushed = service->mailbox_.push(handle, message.raw(), weigh(message.raw()),
                                                        mode, options_.limits.mailbox);
  if (is_delivered(pushed.result)) message.release();  // NOLINT: the mailbox has it
  if (pushed.became_ready) scheduler_.schedule(*service);
  if (pushed.result == PushResult::kRefused) counters_.add(&Counters::requests_refused);
  return pushed.result;
}

PushResult System::push(uint32_t handle, Message&& message, PushMode mode) noexcept {
  const int type = message.raw().type();
  const int session = message.raw().session;
  const uint32_t source = message.raw().source;
  const PushResult result =
      push_to(handle, message, is_never_refused(type) ? PushMode::kAlways : mode);
  if (result == PushResult::kRefused && session != 0 && has_senders_session(type)) {
    send_error(handle, source, session);
  }
  return result;
}

void System::send_error(uint32_t from, uint32_t to, int session) noexcept {
  if (to == 0) return;
  if (is_remote(to)) {
    Outgoing outgoing{from, kTypeError, session, nullptr, 0};
    RemoteName name;
    name.handle = to;
    send_remote(name, outgoing);
    return;
  }
  Message message(kTypeError, from, session);
  push_to(to, message, PushMode::kAlways);
}

void System::drop(Message&& message) noexcept {
  hooks_.dispose_inner(message.raw());
  std::free(message.release().data);
}

void System::dispose(const RawMessage& message, bool is_receiver_harbor) noexcept {
  if (is_receiver_harbor && message.type() == kTypeSystem && message.data != nullptr &&
      message.size() == sizeof(RemoteMessage)) {
    RemoteMessage remote;
    std::memcpy(&remote, message.data, sizeof(remote));
    std::free(const_cast<void*>(remote.message));
  }
  drop(Message::adopt(message));
}

}  // namespace skyloom::actor
