// Walks one hot path so many times, for counting instructions:
//   count_paths PATH TIMES
// counts.py runs it twice with different TIMES, and the difference is what one step costs. All is
// done by one thread that runs the real node by hand, on a world that costs next to nothing.
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "actor/mailbox.hpp"
#include "capi/capi.hpp"
#include "flat_world.hpp"
#include "lua/snlua.hpp"
#include "net/resolver.hpp"
#include "node/node.hpp"
#include "shared_paths.hpp"
#include "skynet/skyloom.h"
#include "skynet/skynet.h"
#include "skynet/skynet_malloc.h"
#include "skynet/skynet_socket.h"
#include "testing/fake_clock.hpp"

// The seed of Lua's hashes, and with it the number of instructions, comes from the time.
extern "C" time_t time(time_t* into) noexcept {
  constexpr time_t kFixed = 1'700'000'000;
  if (into != nullptr) *into = kFixed;
  return kFixed;
}

namespace {

using namespace skyloom;  // NOLINT: the program is a user of everything
using counts::FlatKernel;
using counts::FlatPoller;

constexpr size_t kPayloadBytes = 64;
constexpr int kSteps = 64;  // messages of one slice

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "count_paths: %s\n", why.c_str());
  std::_Exit(1);
}

// --- services
// ------------------------------------------------------------------------------------

// What the one C service has done, and what it should do.
struct Figures {
  uint64_t messages = 0;
  uint64_t wanted = 0;
  uint32_t walker = 0;  // its handle
  int socket = 0;
};
Figures figures;

using OnMessage = int (*)(skynet_context*, void*, int, int, uint32_t, const void*, size_t);

template <OnMessage callback>
int init(void*, skynet_context* context, const char*) {
  skynet_callback(context, nullptr, callback);
  return 0;
}

int on_counted(skynet_context*, void*, int, int, uint32_t, const void*, size_t) {
  ++figures.messages;
  return 0;
}

// Sends itself the next message.
int on_message(skynet_context* context, void*, int, int, uint32_t, const void*, size_t) {
  static const char payload[32] = {};
  if (++figures.messages >= figures.wanted) return 0;
  skynet_send(context, 0, figures.walker, PTYPE_CLIENT, 0, const_cast<char*>(payload),
              sizeof payload);
  return 0;
}

int on_timer(skynet_context* context, void*, int type, int, uint32_t, const void*, size_t) {
  if (type == PTYPE_RESPONSE) ++figures.messages;
  if (figures.messages < figures.wanted) skynet_command(context, "TIMEOUT", "1");
  return 0;
}

void connect_once(skynet_context* context) {
  if (figures.socket == 0) figures.socket = skynet_socket_connect(context, "127.0.0.1", 1);
}

// Its first message makes it connect.
int on_socket_read(skynet_context* context, void*, int type, int, uint32_t, const void* data,
                   size_t) {
  connect_once(context);
  if (type != PTYPE_SOCKET) return 0;
  const auto* event = static_cast<const skynet_socket_message*>(data);
  if (event->type != SKYNET_SOCKET_TYPE_DATA) return 0;
  ++figures.messages;
  skynet_free(event->buffer);
  return 0;
}

int on_socket_send(skynet_context* context, void*, int type, int, uint32_t, const void*, size_t) {
  connect_once(context);
  if (type != PTYPE_CLIENT) return 0;
  skynet_socket_send(context, figures.socket, skynet_malloc(kPayloadBytes), kPayloadBytes);
  return 0;
}

// The agent of frames that are routed to it: sends each back with its header.
int on_frame(skynet_context* context, void*, int type, int, uint32_t, const void* data,
             size_t size) {
  if (figures.socket == 0) {
    connect_once(context);
    skyloom_socket_framing(context, figures.socket, SKYLOOM_FRAMING_LENGTH16, 65'535);
    skyloom_socket_route(context, figures.socket, figures.walker, 0, PTYPE_CLIENT, figures.socket);
  }
  if (type != PTYPE_CLIENT || size != kPayloadBytes) return 0;
  ++figures.messages;
  auto* reply = static_cast<char*>(skynet_malloc(size + 2));
  reply[0] = 0;
  reply[1] = static_cast<char>(size);
  std::memcpy(reply + 2, data, size);
  skynet_socket_send(context, figures.socket, reply, static_cast<int>(size + 2));
  return 0;
}

// --- the node
// ------------------------------------------------------------------------------------

class NoResolver final : public net::Resolver {
 public:
  void resolve(std::string, std::function<void(base::Result<net::Addresses>)>) override {}
  void close() noexcept override {}
};

// Prints what a node says: when a path fails, the reason is there.
int on_log(skynet_context*, void*, int type, int, uint32_t, const void* data, size_t size) {
  if (type == PTYPE_TEXT) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(size), static_cast<const char*>(data));
  }
  return 0;
}

// A node without threads, whose workers are whoever calls run().
class World {
 public:
  World() {
    node::ConfigValues values{{"harbor", "0"}};
    for (const char* key : {"lualoader", "lua_path", "luaservice"}) {
      if (const char* value = std::getenv(key)) values[key] = value;
    }
    auto config = node::parse(values);
    if (!config) fail(config.error().message());
    config->thread = 0;
    auto created = node::Node::create(*config, values,
                                      {.kernel = kernel,
                                       .clock = clock,
                                       .resolver = resolver_,
                                       .make_poller = make_poller,
                                       .make_poller_user = &kernel});
    if (!created) fail(created.error());
    node_ = std::move(created).value();
    node_->on_finished([this] { is_finished_ = true; });
    capi::set_node(node_.get());
    (void)system().modules().register_builtin("logger", {.init = init<on_log>});
    (void)system().modules().register_builtin("snlua", lua::snlua_functions());
    (void)system().register_name("logger", launch("logger", nullptr));
  }

  uint32_t launch(const char* module, const char* arguments) {
    const uint32_t handle = system().launch(module, arguments);
    if (handle == 0) fail(std::string("cannot launch ") + module);
    return handle;
  }
  // A service that is this callback; its first message has been handled.
  template <OnMessage callback>
  void launch_walker() {
    (void)system().modules().register_builtin("walker", {.init = init<callback>});
    figures.walker = launch("walker", nullptr);
    push(PTYPE_TEXT);
    run();
    figures.messages = 0;
  }
  void push(int type) { (void)system().push(figures.walker, actor::Message(type, 0, 0)); }
  void run() { system().run_until_idle(); }
  actor::System& system() { return node_->system(); }
  bool is_finished() const { return is_finished_; }

  FlatKernel kernel;
  testing::FakeClock clock;

 private:
  static base::Result<std::unique_ptr<net::Poller>> make_poller(void* kernel) {
    return std::unique_ptr<net::Poller>(new FlatPoller(*static_cast<FlatKernel*>(kernel)));
  }

  NoResolver resolver_;
  std::unique_ptr<node::Node> node_;
  bool is_finished_ = false;
};

void expect(const char* what, uint64_t seen, uint64_t wanted) {
  if (seen != wanted) {
    fail(std::string(what) + ": " + std::to_string(seen) + " instead of " + std::to_string(wanted));
  }
}

// --- paths; each takes so many steps
// ------------------------------------------------------------------------------------

// A message into a mailbox and out of it.
void walk_mailbox(uint64_t times) {
  constexpr uint32_t kHandle = 7;
  const actor::MailboxLimits limits;
  actor::Mailbox mailbox;
  actor::Mailbox::Notes notes;
  mailbox.open(kHandle, limits);
  (void)mailbox.go_live();
  for (uint64_t step = 0; step < times; ++step) {
    const actor::RawMessage message{0, static_cast<int>(step), nullptr, 0};
    (void)mailbox.push(kHandle, message, 0, actor::PushMode::kBounded, limits);
    if (!mailbox.has_batch()) (void)mailbox.take_batch(notes, limits);
    (void)mailbox.pop();
    mailbox.count_popped(0);
  }
}

// An empty message to a C service, many of them in one slice.
void walk_dispatch(uint64_t times) {
  World world;
  world.launch_walker<on_counted>();
  for (uint64_t step = 0; step < times; step += kSteps) {
    for (int i = 0; i < kSteps; ++i) world.push(PTYPE_CLIENT);
    world.run();
  }
  expect("messages", figures.messages, times);
}

// A message of 32 bytes from a C service, to itself.
void walk_message(uint64_t times) {
  World world;
  world.launch_walker<on_message>();
  figures.wanted = times;
  world.push(PTYPE_CLIENT);
  world.run();
  expect("messages", figures.messages, times);
}

// Bytes from a socket to the callback of its owner, one turn for each.
void walk_socket_read(uint64_t times) {
  World world;
  world.launch_walker<on_socket_read>();
  world.kernel.message.assign(kPayloadBytes, 'x');
  world.kernel.receives = times;
  world.run();
  expect("messages", figures.messages, times);
}

// A message upon which a service sends to a socket, and the writev of its slice.
void walk_socket_send(uint64_t times) {
  World world;
  world.launch_walker<on_socket_send>();
  for (uint64_t step = 0; step < times; ++step) {
    world.push(PTYPE_CLIENT);
    world.run();
  }
  expect("sends", world.kernel.sends, times);
}

// A frame from a socket past the gate to its agent, and the answer back.
void walk_frame_echo(uint64_t times) {
  World world;
  world.launch_walker<on_frame>();
  world.kernel.message = std::string({'\0', char{kPayloadBytes}}) + std::string(kPayloadBytes, 'x');
  world.kernel.receives = times;
  world.run();
  expect("frames", figures.messages, times);
  expect("bytes sent", world.kernel.sent_bytes, times * (kPayloadBytes + 2));
}

// A timer that is started, fires and starts the next.
void walk_timer(uint64_t times) {
  World world;
  figures.wanted = times;
  world.launch_walker<on_timer>();
  while (figures.messages < times) {
    world.clock.advance(std::chrono::milliseconds(10));
    world.run();
  }
}

// skynet.call between two Lua services, there and back.
void walk_lua_call(uint64_t times) {
  World world;
  (void)world.launch("snlua", ("bench_lua_main call " + std::to_string(times) + " 1").c_str());
  world.run();
  if (!world.is_finished()) fail("the calls did not end");
}

// A frame from a socket to a Lua service and back.
void walk_lua_echo(uint64_t times) {
  World world;
  (void)world.launch("snlua", "bench_lua_main echo 1");
  world.run();
  world.kernel.message = std::string({'\0', char{kPayloadBytes}}) + std::string(kPayloadBytes, 'x');
  world.kernel.accepts = 1;
  world.run();
  world.kernel.receives = times;
  world.run();
  expect("bytes sent", world.kernel.sent_bytes, times * (kPayloadBytes + 2));
}

template <bool (*walk)(uint64_t times)>
void walk_or_fail(uint64_t times) {
  if (!walk(times)) fail("the script failed");
}

struct Path {
  std::string_view name;
  void (*walk)(uint64_t times);
};
constexpr Path kPaths[] = {
    {"mailbox", walk_mailbox},
    {"dispatch", walk_dispatch},
    {"message", walk_message},
    {"socket_read", walk_socket_read},
    {"socket_send", walk_socket_send},
    {"frame_echo", walk_frame_echo},
    {"timer", walk_timer},
    {"lua_call", walk_lua_call},
    {"lua_echo", walk_lua_echo},
    {"table_index", walk_or_fail<counts::walk_table_index>},
    {"shared_index", walk_or_fail<counts::walk_shared_index>},
    {"table_pairs", walk_or_fail<counts::walk_table_pairs>},
    {"shared_pairs", walk_or_fail<counts::walk_shared_pairs>},
    {"table_rows", walk_or_fail<counts::walk_table_rows>},
    {"shared_rows", walk_or_fail<counts::walk_shared_rows>},
};

}  // namespace

int main(int argc, char** argv) {
  const uint64_t times = argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 0;
  for (const Path& path : kPaths) {
    if (times == 0 || path.name != argv[1]) continue;
    path.walk(times);
    std::fflush(nullptr);
    std::_Exit(0);  // the end of a node is no hot path
  }
  std::fprintf(stderr, "usage: count_paths PATH TIMES; the paths:");
  for (const Path& path : kPaths) std::fprintf(stderr, " %s", std::string(path.name).c_str());
  std::fprintf(stderr, "\n");
  return 2;
}
