#include "testing/fake_skynet.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>

std::atomic<uint64_t> skynet_context::now{0};
std::atomic<uint32_t> skynet_context::starttime{0};
std::vector<socket_info> skynet_context::sockets;

namespace {

std::string hex(uint32_t handle) {
  char text[16];
  std::snprintf(text, sizeof text, ":%x", handle);
  return text;
}

std::string text_of(const void* data, size_t size) {
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
}

const char* keep(skynet_context* context, std::string text) {
  context->result = std::move(text);
  return context->result.c_str();
}

int open_socket(skynet_context* context, std::string call) {
  if (context->refuses_sockets) {
    context->calls.push_back(call + " -> -1");
    return -1;
  }
  const int id = ++context->last_socket;
  context->calls.push_back(call + " -> " + std::to_string(id));
  return id;
}

std::string endpoint(const char* host, int port) {
  return std::string(host == nullptr ? "" : host) + ":" + std::to_string(port);
}

void note(skynet_context* context, const char* call, int id) {
  context->calls.push_back(std::string(call) + " " + std::to_string(id));
}

int send_buffer(skynet_context* context, const char* call, socket_sendbuffer* buffer) {
  context->calls.push_back(
      std::string(call) + " " + std::to_string(buffer->id) + " " +
      (buffer->type == SOCKET_BUFFER_OBJECT ? "(object)" : text_of(buffer->buffer, buffer->sz)));
  if (buffer->type == SOCKET_BUFFER_MEMORY) skynet_free(const_cast<void*>(buffer->buffer));
  return context->refuses_writes ? -1 : 0;
}

size_t udp_address_size(const char* address) {
  return address[0] == 1 ? 7 : 19;
}

int record(skynet_context* context, FakeMessage message, int type, int session, void* block,
           size_t size) {
  message.type = type & 0xff;
  message.payload = text_of(block, size);
  message.block = block;
  if ((type & PTYPE_TAG_DONTCOPY) != 0) skynet_free(block);
  if (context->send_result < 0) return context->send_result;
  message.session = (type & PTYPE_TAG_ALLOCSESSION) != 0 ? ++context->last_session : session;
  const int used = message.session;
  context->sent.push_back(std::move(message));
  return used;
}

}  // namespace

skynet_context::skynet_context() = default;
skynet_context::~skynet_context() = default;

int skynet_context::deliver_block(int type, void* block, size_t size, uint32_t source,
                                  int session) {
  if (callback == nullptr) {
    skynet_free(block);
    return 0;
  }
  const int kept = callback(this, user, type, session, source, block, size);
  if (kept == 0) skynet_free(block);
  return kept;
}

void skynet_context::deliver(int type, std::string_view payload, uint32_t source, int session) {
  void* block = nullptr;
  if (!payload.empty()) {
    block = skynet_malloc(payload.size());
    std::memcpy(block, payload.data(), payload.size());
  }
  deliver_block(type, block, payload.size(), source, session);
}

void skynet_context::socket_text(int kind, int id, int ud, std::string_view text) {
  const skynet_socket_message head{.type = kind, .id = id, .ud = ud, .buffer = nullptr};
  std::string message(sizeof head, '\0');
  std::memcpy(message.data(), &head, sizeof head);
  message.append(text);
  deliver(PTYPE_SOCKET, message, 0, 0);
}

void skynet_context::socket_bytes(int kind, int id, std::string_view bytes) {
  char* const buffer = static_cast<char*>(skynet_malloc(bytes.size() + 1));
  std::memcpy(buffer, bytes.data(), bytes.size());
  const skynet_socket_message head{
      .type = kind, .id = id, .ud = static_cast<int>(bytes.size()), .buffer = buffer};
  deliver(PTYPE_SOCKET, {reinterpret_cast<const char*>(&head), sizeof head}, 0, 0);
}

void skynet_context::socket_udp(int id, std::string_view payload, std::string_view address) {
  const size_t size = payload.size() + address.size();
  char* const buffer = static_cast<char*>(skynet_malloc(size + 1));
  std::memcpy(buffer, payload.data(), payload.size());
  std::memcpy(buffer + payload.size(), address.data(), address.size());
  const skynet_socket_message head{.type = SKYNET_SOCKET_TYPE_UDP,
                                   .id = id,
                                   .ud = static_cast<int>(payload.size()),
                                   .buffer = buffer};
  deliver(PTYPE_SOCKET, {reinterpret_cast<const char*>(&head), sizeof head}, 0, 0);
}

// --- skynet.h
// ---------------------------------------------------------------------------------------

void skynet_error(skynet_context* context, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (std::strcmp(format, "%*s") == 0) {
    const int size = va_arg(arguments, int);
    const char* const text = va_arg(arguments, const char*);
    context->log.emplace_back(text, static_cast<size_t>(size));
  } else {
    char line[1024];
    std::vsnprintf(line, sizeof line, format, arguments);
    context->log.emplace_back(line);
  }
  va_end(arguments);
}

const char* skynet_command(skynet_context* context, const char* command, const char* parameter) {
  const std::string_view name = command;
  const std::string_view text = parameter == nullptr ? "" : parameter;
  if (name == "REG" && text.empty()) return keep(context, hex(skynet_context::kHandle));
  if (name == "REG") {
    const auto added = context->names.emplace(text.substr(1), skynet_context::kHandle);
    return added.second ? added.first->first.c_str() : nullptr;
  }
  if (name == "GETENV") {
    const auto found = context->environment.find(text);
    return found == context->environment.end() ? nullptr : found->second.c_str();
  }
  if (name == "TIMEOUT") {
    context->timers.push_back(++context->last_session);
    return keep(context, std::to_string(context->last_session));
  }
  context->commands.push_back(std::string(name) + (text.empty() ? "" : " ") + std::string(text));
  if (name == "LAUNCH" && context->launched != 0) {
    char address[16];
    std::snprintf(address, sizeof address, ":%08X", context->launched);
    return keep(context, address);
  }
  return nullptr;
}

uint32_t skynet_queryname(skynet_context* context, const char* name) {
  if (name[0] == ':') return static_cast<uint32_t>(std::strtoul(name + 1, nullptr, 16));
  if (name[0] != '.') return 0;
  const auto found = context->names.find(std::string_view(name + 1));
  return found == context->names.end() ? 0 : found->second;
}

int skynet_send(skynet_context* context, uint32_t source, uint32_t destination, int type,
                int session, void* msg, size_t sz) {
  FakeMessage message;
  message.source = source == 0 ? skynet_context::kHandle : source;
  message.to = destination;
  return record(context, std::move(message), type, session, msg, sz);
}

int skynet_sendname(skynet_context* context, uint32_t source, const char* destination, int type,
                    int session, void* msg, size_t sz) {
  FakeMessage message;
  message.source = source == 0 ? skynet_context::kHandle : source;
  message.name = destination;
  return record(context, std::move(message), type, session, msg, sz);
}

void skynet_callback(skynet_context* context, void* ud, skynet_cb cb) {
  context->user = ud;
  context->callback = cb;
}

uint64_t skynet_now(void) {
  return skynet_context::now.load();
}

uint32_t skynet_starttime(void) {
  return skynet_context::starttime.load();
}

void skynet_harbor_start(void* context) {
  static_cast<skynet_context*>(context)->calls.push_back("harbor_start");
}

// --- skynet_socket.h
// --------------------------------------------------------------------------------

int skynet_socket_listen(skynet_context* context, const char* host, int port, int backlog) {
  return open_socket(context, "listen " + endpoint(host, port) + " " + std::to_string(backlog));
}
int skynet_socket_connect(skynet_context* context, const char* host, int port) {
  return open_socket(context, "connect " + endpoint(host, port));
}
// What is not the default stands behind the backlog.
int skyloom_socket_listen(skynet_context* context, const skyloom_listen_options* options) {
  std::string text =
      "listen " + endpoint(options->host, options->port) + " " + std::to_string(options->backlog);
  const std::pair<const char*, int64_t> fields[] = {
      {"reuse_port", options->reuse_port},
      {"v6_only", options->v6_only},
      {"file_mode", options->file_mode},
      {"proxy", options->proxy},
      {"proxy_optional", options->proxy_optional},
      {"handshake_timeout", options->handshake_timeout},
      {"nodelay", options->nodelay},
      {"keepalive_idle", options->keepalive_idle},
      {"keepalive_interval", options->keepalive_interval},
      {"keepalive_count", options->keepalive_count},
      {"user_timeout", options->user_timeout},
      {"receive_buffer", options->receive_buffer},
      {"send_buffer", options->send_buffer},
      {"max_per_listener", options->max_per_listener},
      {"max_per_ip", options->max_per_ip},
      {"accept_rate", options->accept_rate},
      {"first_byte_timeout", options->first_byte_timeout},
      {"idle_timeout", options->idle_timeout},
      {"frame_timeout", options->frame_timeout},
      {"write_timeout", options->write_timeout},
      {"linger_timeout", options->linger_timeout},
      {"frame_max", options->frame_max},
      {"wbuffer_policy", options->wbuffer_policy},
      {"wbuffer_max", options->wbuffer_max}};
  for (const auto& [name, value] : fields) {
    if (value != 0) text += std::string(" ") + name + "=" + std::to_string(value);
  }
  return open_socket(context, text);
}
int skyloom_socket_connect(skynet_context* context, const skyloom_connect_options* options) {
  return open_socket(context, "connect " + endpoint(options->host, options->port));
}
int skyloom_socket_set_option(skynet_context* context, int id, int option, int value) {
  note(context, ("option " + std::to_string(option) + "=" + std::to_string(value)).c_str(), id);
  return 0;
}
int skynet_socket_bind(skynet_context* context, int fd) {
  return open_socket(context, "bind " + std::to_string(fd));
}
void skynet_socket_close(skynet_context* context, int id) {
  note(context, "close", id);
}
void skynet_socket_shutdown(skynet_context* context, int id) {
  note(context, "shutdown", id);
}
void skynet_socket_start(skynet_context* context, int id) {
  note(context, "start", id);
}
void skynet_socket_pause(skynet_context* context, int id) {
  note(context, "pause", id);
}
void skynet_socket_nodelay(skynet_context* context, int id) {
  note(context, "nodelay", id);
}
int skynet_socket_sendbuffer(skynet_context* context, socket_sendbuffer* buffer) {
  return send_buffer(context, "write", buffer);
}
int skynet_socket_sendbuffer_lowpriority(skynet_context* context, socket_sendbuffer* buffer) {
  return send_buffer(context, "write_low", buffer);
}
int skynet_socket_udp(skynet_context* context, const char* address, int port) {
  return open_socket(context, "udp " + endpoint(address, port));
}
int skynet_socket_udp_listen(skynet_context* context, const char* address, int port) {
  return open_socket(context, "udp_listen " + endpoint(address, port));
}
int skynet_socket_udp_dial(skynet_context* context, const char* address, int port) {
  return open_socket(context, "udp_dial " + endpoint(address, port));
}
int skyloom_socket_udp_dial(skynet_context* context, const char* host, int port) {
  return open_socket(context, "udp_dial_only " + endpoint(host, port));
}
int skynet_socket_udp_connect(skynet_context* context, int id, const char* address, int port) {
  context->calls.push_back("udp_connect " + std::to_string(id) + " " + endpoint(address, port));
  return context->refuses_sockets ? -1 : 0;
}
int skynet_socket_udp_sendbuffer(skynet_context* context, const char* address,
                                 socket_sendbuffer* buffer) {
  context->calls.push_back("udp_address " + text_of(address, udp_address_size(address)));
  return send_buffer(context, "udp_write", buffer);
}
const char* skynet_socket_udp_address(skynet_socket_message* message, int* address_size) {
  if (message->type != SKYNET_SOCKET_TYPE_UDP) return nullptr;
  const char* const address = message->buffer + message->ud;
  *address_size = static_cast<int>(udp_address_size(address));
  return address;
}
socket_info* skynet_socket_info(void) {
  socket_info* list = nullptr;
  for (auto socket = skynet_context::sockets.rbegin(); socket != skynet_context::sockets.rend();
       ++socket) {
    socket_info* const rest = std::exchange(list, new socket_info(*socket));
    list->next = rest;
  }
  return list;
}
void socket_info_release(socket_info* list) {
  while (list != nullptr) delete std::exchange(list, list->next);
}

// --- skyloom.h
// --------------------------------------------------------------------------------------

void skyloom_socket_pause_own(skynet_context* context, int id) {
  note(context, "pause_own", id);
}

int skyloom_socket_framing(skynet_context* context, int id, int framing, size_t frame_bytes_max) {
  context->calls.push_back("framing " + std::to_string(id) + " " + std::to_string(framing) + " " +
                           std::to_string(frame_bytes_max));
  return 0;
}

int skyloom_socket_route(skynet_context* context, int id, uint32_t to, uint32_t source, int type,
                         int session) {
  context->calls.push_back("route " + std::to_string(id) + " to=" + hex(to) +
                           " source=" + hex(source) + " type=" + std::to_string(type) +
                           " session=" + std::to_string(session));
  return 0;
}

int skyloom_resolve(skynet_context* context, const char* host) {
  if (context->refuses_sockets) return -1;
  context->calls.push_back(std::string("resolve ") + host + " -> " +
                           std::to_string(++context->last_session));
  return context->last_session;
}

int skyloom_timeout_cancel(skynet_context* context, int session) {
  return std::erase(context->timers, session) != 0 ? 1 : 0;
}

// --- malloc_hook.h
// --------------------------------------------------------------------------------------

namespace {

// A test may have made memory fail: then nothing is noted.
void note(const char* name, const std::string& more = {}) noexcept {
  try {
    skynet_context::allocator_calls.push_back(name + more);
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace

std::vector<std::string> skynet_context::allocator_calls;

size_t malloc_used_memory() {
  return 1001;
}
size_t malloc_memory_block() {
  return 1002;
}
size_t malloc_current_memory() {
  return 1003;
}
void memory_info_dump(const char* options) {
  note("dumpinfo ", options == nullptr ? "-" : options);
}
void dump_c_mem() {
  note("dump");
}
int dump_mem_lua(lua_State*) {
  return 0;
}
size_t mallctl_int64(const char* name, size_t* value) {
  note(name, value == nullptr ? "" : "=" + std::to_string(*value));
  return std::string_view(name).size();
}
bool mallctl_bool(const char* name, bool* value) {
  note(name, value == nullptr ? "" : *value ? "=true" : "=false");
  return true;
}
int mallctl_cmd(const char* name) {
  note(name);
  return 7;
}
int mallctl_opt(const char* name, int* value) {
  note(name, value == nullptr ? "" : "=" + std::to_string(*value));
  return 8;
}
