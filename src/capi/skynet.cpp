// skynet.h: thin functions over the node of this process.
#include "skynet/skynet.h"

#include <stdarg.h>

#include <cstdio>
#include <cstring>

#include "actor/command.hpp"
#include "base/bytes.hpp"
#include "capi/capi.hpp"
#include "os/real_clock.hpp"

using skyloom::actor::Service;
using skyloom::actor::System;
using skyloom::capi::current_node;

static_assert(sizeof(skynet_message) == sizeof(skyloom::actor::RawMessage));
static_assert(sizeof(remote_message) == sizeof(skyloom::actor::RemoteMessage));
static_assert(PTYPE_TAG_DONTCOPY == skyloom::actor::kTagDontCopy);

namespace {

constexpr int kLogStackBytes = 256;

Service& service_of(skynet_context* context) noexcept {
  return skyloom::actor::to_service(context);
}

System* system_of_process() noexcept {
  skyloom::node::Node* node = current_node();
  return node == nullptr ? nullptr : &node->system();
}

// The exact format "%*s" means: these bytes as they are (contract 1.2).
bool is_verbatim(const char* format) noexcept {
  return std::strcmp(format, "%*s") == 0;
}

}  // namespace

extern "C" {

void skynet_error(skynet_context* context, const char* format, ...) {
  System* system = context != nullptr ? &service_of(context).system() : system_of_process();
  if (system == nullptr) return;
  const uint32_t source = context == nullptr ? 0 : service_of(context).handle();
  va_list arguments;
  va_start(arguments, format);
  if (is_verbatim(format)) {
    const int size = va_arg(arguments, int);
    const char* text = va_arg(arguments, const char*);
    if (size > 0) system->log(source, {text, static_cast<size_t>(size)});
    va_end(arguments);
    return;
  }
  char text[kLogStackBytes];
  va_list again;
  va_copy(again, arguments);
  const int size = std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (size >= 0 && size < kLogStackBytes) {
    system->log(source, {text, static_cast<size_t>(size)});
  } else if (size >= 0) {
    const size_t bytes = static_cast<size_t>(size);
    const skyloom::base::Block longer = skyloom::base::make_block(bytes + 1);
    if (longer) {
      std::vsnprintf(longer.get(), bytes + 1, format, again);
      system->log(source, {longer.get(), bytes});
    } else {
      system->log(source, {text, kLogStackBytes - 1});  // better its beginning than nothing
    }
  }
  va_end(again);
}

const char* skynet_command(skynet_context* context, const char* command, const char* parameter) {
  return skyloom::actor::run_command(service_of(context), command, parameter);
}

uint32_t skynet_queryname(skynet_context* context, const char* name) {
  Service& service = service_of(context);
  return service.system().query_name(service.handle(), name);
}

int skynet_send(skynet_context* context, uint32_t source, uint32_t destination, int type,
                int session, void* msg, size_t sz) {
  Service& service = service_of(context);
  return service.system().send(service, source, destination, type, session, msg, sz);
}

int skynet_sendname(skynet_context* context, uint32_t source, const char* destination, int type,
                    int session, void* msg, size_t sz) {
  Service& service = service_of(context);
  return service.system().send_name(service, source, destination, type, session, msg, sz);
}

int skynet_isremote(skynet_context* context, uint32_t handle, int* harbor) {
  if (harbor != nullptr) *harbor = static_cast<int>(handle >> HANDLE_REMOTE_SHIFT);
  return service_of(context).system().is_remote(handle) ? 1 : 0;
}

void skynet_callback(skynet_context* context, void* ud, skynet_cb cb) {
  service_of(context).set_callback(cb, ud);
}

uint32_t skynet_current_handle(void) {
  return skyloom::actor::current_handle();
}

uint64_t skynet_now(void) {
  System* system = system_of_process();
  return system == nullptr ? 0 : system->now();
}

void skynet_debug_memory(const char* info) {
  std::fprintf(stderr, "[:%08x] %s %zu\n", skynet_current_handle(), info, mallinfo2().uordblks);
}

int skynet_timeout(uint32_t handle, int time, int session) {
  System* system = system_of_process();
  return system == nullptr ? -1 : system->timeout(handle, time, session);
}

uint32_t skynet_starttime(void) {
  System* system = system_of_process();
  return system == nullptr ? 0 : system->starttime();
}

uint64_t skynet_thread_time(void) {
  using std::chrono::microseconds;
  return static_cast<uint64_t>(
      std::chrono::duration_cast<microseconds>(skyloom::os::thread_cpu_time()).count());
}

const char* skynet_getenv(const char* key) {
  System* system = system_of_process();
  return system == nullptr || key == nullptr ? nullptr : system->getenv(key);
}

void skynet_setenv(const char* key, const char* value) {
  System* system = system_of_process();
  if (system == nullptr || key == nullptr || value == nullptr) return;
  if (!system->setenv(key, value)) {  // D-04
    system->logf(skynet_current_handle(), "error: Environment %s exists", key);
  }
}

int skynet_context_push(uint32_t handle, skynet_message* message) {
  using namespace skyloom::actor;
  System* system = system_of_process();
  if (system == nullptr) return -1;
  Message owned = Message::adopt({message->source, message->session, message->data, message->sz});
  const PushResult result = system->push(handle, std::move(owned));
  if (is_delivered(result)) return 0;
  owned.release();  // the caller keeps the data
  return -1;
}

void skynet_harbor_start(void* context) {
  Service& service = service_of(static_cast<skynet_context*>(context));
  service.system().harbor_start(service);
}

// --- semi-public: used by a few C services
// -------------------------------------------------------------

uint32_t skynet_context_handle(skynet_context* context) {
  return service_of(context).handle();
}

int skynet_context_newsession(skynet_context* context) {
  return service_of(context).next_session();
}

void skynet_context_send(skynet_context* context, void* msg, size_t sz, uint32_t source, int type,
                         int session) {
  using namespace skyloom::actor;
  Service& service = service_of(context);
  Message message(type, source, session, skyloom::base::Block(static_cast<char*>(msg)), sz);
  if (!is_delivered(service.system().push(service.handle(), std::move(message)))) {
    service.system().drop(std::move(message));
  }
}

void skynet_context_grab(skynet_context* context) {
  Service& service = service_of(context);
  service.system().pin_again(service);
}

skynet_context* skynet_context_release(skynet_context* context) {
  Service& service = service_of(context);
  service.system().unpin(service);
  return nullptr;
}

skynet_context* skynet_handle_grab(uint32_t handle) {
  System* system = system_of_process();
  Service* service = system == nullptr ? nullptr : system->pin(handle);
  return service == nullptr ? nullptr : skyloom::actor::to_context(*service);
}

int skynet_handle_retire(uint32_t handle) {
  System* system = system_of_process();
  return system != nullptr && system->kill(handle, skynet_current_handle()) ? 1 : 0;
}

uint32_t skynet_handle_findname(const char* name) {
  System* system = system_of_process();
  return system == nullptr || name == nullptr ? 0 : system->find_name(name);
}

const char* skynet_handle_namehandle(uint32_t handle, const char* name) {
  System* system = system_of_process();
  return system == nullptr || name == nullptr ? nullptr : system->register_name(name, handle);
}

int skynet_harbor_message_isremote(uint32_t handle) {
  System* system = system_of_process();
  return system != nullptr && system->is_remote(handle) ? 1 : 0;
}

void skynet_harbor_send(remote_message* message, uint32_t source, int session) {
  System* system = system_of_process();
  Service* self = skyloom::actor::current_service();
  if (system == nullptr || self == nullptr) return;
  const int type = message->type | PTYPE_TAG_DONTCOPY;
  void* payload = const_cast<void*>(message->message);  // handed over with the message
  if (message->destination.handle != 0) {
    system->send(*self, source, message->destination.handle, type, session, payload, message->sz);
  } else {
    system->send_name(*self, source, message->destination.name, type, session, payload,
                      message->sz);
  }
  skynet_free(message);
}

void skynet_harbor_exit(void) {}  // the harbor ends with the node

}  // extern "C"
