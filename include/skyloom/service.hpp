// A service in C++: derive from Service, and export the class with SKYLOOM_SERVICE(name, Class)
// from a shared object that the config key `cpath` finds. docs/guide/cpp-services.md has a whole
// one.
//
// One thread at a time is inside a service, not always the same one. An exception that leaves a
// callback is logged, and whoever waits for an answer gets an error; the service goes on.
#pragma once

#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "skyloom/context.hpp"
#include "skyloom/message.hpp"

namespace skyloom {
inline namespace v1 {  // code of a node and of a module built against another version never mix

class Service {
 public:
  virtual ~Service() = default;

  // Before the first message. False: the service does not start; say why with context.log().
  // `arguments`: what stood behind the name at the launch. Messages that arrive meanwhile wait.
  virtual bool on_start(Context& context, std::string_view arguments) {
    (void)context;
    (void)arguments;
    return true;
  }
  // `message` is freed behind it, unless it has been taken.
  virtual void on_message(Context& context, Message& message) {
    (void)context;
    (void)message;
  }
  // As on_message(), for what happens to this service's sockets.
  virtual void on_socket(Context& context, SocketEvent& event) {
    (void)context;
    (void)event;
  }
  // The command SIGNAL. Any thread, also while another callback runs.
  virtual void on_signal(int number) noexcept { (void)number; }
};

// The four C functions of the service type T, which has a default constructor.
template <class T>
class ServiceModule {
 public:
  static void* create() noexcept {
    try {
      return new Instance;
    } catch (...) {  // a null instance fails the launch
      return nullptr;
    }
  }

  // 0: it runs.
  static int init(void* instance, skynet_context* context, const char* parameter) noexcept {
    Instance& self = *static_cast<Instance*>(instance);
    try {
      self.context.emplace(context);
      const std::string_view arguments = parameter == nullptr ? "" : parameter;
      if (!self.service.on_start(*self.context, arguments)) return 1;
    } catch (const std::exception& thrown) {
      skynet_error(context, "on_start: exception: %s", thrown.what());
      return 1;
    } catch (...) {
      skynet_error(context, "on_start: unknown exception");
      return 1;
    }
    skynet_callback(context, instance, &receive);
    return 0;
  }

  static void release(void* instance) noexcept { delete static_cast<Instance*>(instance); }

  static void signal(void* instance, int number) noexcept {
    static_cast<Instance*>(instance)->service.on_signal(number);
  }

 private:
  struct Instance {
    T service;
    std::optional<Context> context;
  };

  // 1: the block has been taken, by the service or by us.
  static int receive(skynet_context*, void* user, int type, int session, uint32_t source,
                     const void* data, size_t size) noexcept {
    Instance& self = *static_cast<Instance*>(user);
    Message message(MessageType{static_cast<uint8_t>(type)}, Session{session}, Handle{source},
                    Bytes::adopt(const_cast<void*>(data), size));
    try {
      if (is_socket_event(message)) {
        on_socket_message(self, message);
      } else {
        self.service.on_message(*self.context, message);
      }
    } catch (const std::exception& thrown) {
      skynet_error(self.context->c_context(), "on_message: exception: %s", thrown.what());
      (void)self.context->reply_error(message);
    } catch (...) {
      skynet_error(self.context->c_context(), "on_message: unknown exception");
      (void)self.context->reply_error(message);
    }
    return 1;  // the Message has freed what nobody took
  }

  // Events have no source. What another service sends under this type holds no pointers that may be
  // followed; it is a message like any other.
  static bool is_socket_event(const Message& message) noexcept {
    return message.type == MessageType::kSocket && message.source == Handle::kNone &&
           message.payload.size() >= sizeof(skynet_socket_message);
  }

  static void on_socket_message(Instance& self, const Message& message) {
    skynet_socket_message raw;
    std::memcpy(&raw, message.payload.data(), sizeof raw);
    SocketEvent event(SocketEvent::Kind{raw.type}, SocketId{raw.id});
    event.value = raw.ud;
    if (raw.buffer == nullptr) {
      event.text = message.payload.substr(sizeof raw);
    } else {
      const size_t size = raw.ud > 0 ? static_cast<size_t>(raw.ud) : 0;
      event.payload = {raw.buffer, size};
      event.set_bytes(Bytes::adopt(raw.buffer, size));
      int address_size = 0;
      if (event.kind == SocketEvent::Kind::kUdp) {
        const char* address = skynet_socket_udp_address(&raw, &address_size);
        if (address != nullptr) event.udp_address = {address, static_cast<size_t>(address_size)};
      }
    }
    self.service.on_socket(*self.context, event);
  }
};

}  // namespace v1
}  // namespace skyloom

// Exports `Class` as the service type `name`, an identifier: the shared object is called name.so.
// At file scope, once per type.
#define SKYLOOM_SERVICE(name, Class)                                                      \
  extern "C" {                                                                            \
  __attribute__((visibility("default"))) void* name##_create(void) {                      \
    return ::skyloom::ServiceModule<Class>::create();                                     \
  }                                                                                       \
  __attribute__((visibility("default"))) int name##_init(void* instance,                  \
                                                         struct skynet_context* context,  \
                                                         const char* parameter) {         \
    return ::skyloom::ServiceModule<Class>::init(instance, context, parameter);           \
  }                                                                                       \
  __attribute__((visibility("default"))) void name##_release(void* instance) {            \
    ::skyloom::ServiceModule<Class>::release(instance);                                   \
  }                                                                                       \
  __attribute__((visibility("default"))) void name##_signal(void* instance, int number) { \
    ::skyloom::ServiceModule<Class>::signal(instance, number);                            \
  }                                                                                       \
  }
