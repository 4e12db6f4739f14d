#include "run.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>

#include "capi/capi.hpp"
#include "lua/config_file.hpp"
#include "lua/snlua.hpp"
#include "net/poller/real_poller.hpp"
#include "node/node.hpp"
#include "os/daemon.hpp"
#include "os/log_file.hpp"
#include "os/real_clock.hpp"
#include "os/real_kernel.hpp"
#include "os/signals.hpp"
#include "sdk/register_service.hpp"
#include "services/gate.hpp"
#include "services/harbor.hpp"
#include "services/logger.hpp"
#include "services/resolver.hpp"

namespace skyloom::app {
namespace {

using base::Result;

constexpr base::Millis kNoLimit = std::chrono::hours(24 * 365);

struct Loaded {
  node::NodeConfig config;
  node::ConfigValues values;
};

struct Backend {
  net::PollerKind kind;
  os::Kernel& kernel;
};

// What "auto" means is measured: docs/adr/0011-io-uring.md.
net::PollerKind wanted_poller(node::IoBackend configured) {
  switch (configured) {
    case node::IoBackend::kAuto:
    case node::IoBackend::kEpoll: return net::PollerKind::kEpoll;
    case node::IoBackend::kUring: return net::PollerKind::kUring;
  }
  return net::PollerKind::kEpoll;
}

int complain(const std::string& text, int code) {
  std::fprintf(stderr, "skyloom: %s\n", text.c_str());
  return code;
}

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Result<Loaded, std::string> load(const std::string& path) {
  auto values = lua::load_config_file(path, environment);
  if (!values) return values.error().message();
  auto config = node::parse(*values);
  if (!config) return path + ": " + config.error().message();
  return Loaded{std::move(config).value(), std::move(values).value()};
}

// SIGHUP: an empty system message to the log service, which reopens its file (contract 3.6).
void reopen_log(node::Node& node) {
  const uint32_t logger = node.system().find_name("logger");
  if (logger != 0) (void)node.system().push(logger, actor::Message(actor::kTypeSystem, 0, 0));
}

bool stop_within_limit(node::Node& node) {
  const base::Millis limit = node.config().shutdown_timeout;
  return node.stop(limit == base::Millis(0) ? kNoLimit : limit);
}

// Stops on a thread of its own, so that a second signal is heard meanwhile.
bool stop_and_listen(node::Node& node, os::SignalWaiter& signals) {
  bool whole = false;
  std::atomic<bool> is_done{false};
  std::thread stopper;
  try {
    stopper = std::thread([&] {
      whole = stop_within_limit(node);
      is_done = true;
      signals.notify();
    });
  } catch (const std::exception&) {  // no more threads or memory: then here, and deaf
    return stop_within_limit(node);
  }
  while (!is_done) {  // notices also come from the last service's end
    const int signal = signals.wait();
    if (signal == SIGTERM || signal == SIGINT) ::_exit(kExitFailed);  // asked for twice: at once
  }
  stopper.join();
  return whole;
}

int stop_orderly(node::Node& node, os::SignalWaiter& signals) {
  const bool whole = stop_and_listen(node, signals);
  if (!whole) {
    // Somebody is stuck in a service or does not take our bytes: waiting for threads could last for
    // ever.
    std::fprintf(stderr, "skyloom: shutdown_timeout passed: what was left is dropped\n");
    ::_exit(kExitOk);
  }
  return kExitOk;
}

int serve(node::Node& node, os::SignalWaiter& signals) {
  for (;;) {
    const int signal = signals.wait();
    switch (signal) {
      case SIGHUP: reopen_log(node); break;
      case SIGUSR1: node.log_state(); break;
      default: return stop_orderly(node, signals);  // a signal, or the last service is gone
    }
  }
}

}  // namespace

int check(const std::string& config_path) {
  const auto loaded = load(config_path);
  if (!loaded) return complain(loaded.error(), kExitWrongConfig);
  std::printf("%s: ok\n", config_path.c_str());
  return kExitOk;
}

int run(const std::string& config_path) {
  const auto loaded = load(config_path);
  if (!loaded) return complain(loaded.error(), kExitWrongConfig);
  const node::NodeConfig& config = loaded->config;
  std::optional<os::PidFile> pid_file;
  if (config.daemon) {
    auto daemon = os::become_daemon(*config.daemon);
    if (!daemon) return complain(daemon.error(), kExitFailed);
    pid_file = std::move(daemon).value();
  }
  os::ignore_sigpipe();
  auto signals = os::SignalWaiter::create({SIGINT, SIGTERM, SIGHUP, SIGUSR1});
  if (!signals) return complain("signals: " + signals.error().message(), kExitFailed);

  os::RealKernel kernel;
  os::RealClock clock;
  const auto resolver = net::make_system_resolver(config.dns_queue_max);
  const net::PollerChoice choice = net::choose_poller(wanted_poller(config.io_backend), kernel);
  Backend backend{choice.kind, kernel};
  auto created = node::Node::create(config, loaded->values,
                                    {.kernel = kernel,
                                     .clock = clock,
                                     .resolver = *resolver,
                                     .make_poller =
                                         [](void* user) {
                                           const auto& made = *static_cast<Backend*>(user);
                                           return net::make_real_poller(made.kind, made.kernel);
                                         },
                                     .make_poller_user = &backend,
                                     .make_batch_sender = net::batch_sender_of(choice.kind),
                                     .first_log_line = choice.line});
  if (!created) return complain(created.error(), kExitFailed);
  std::unique_ptr<node::Node> node = std::move(created).value();
  capi::set_node(node.get());
  actor::Modules& modules = node->system().modules();
  (void)sdk::register_service<services::LoggerOn<os::make_log_file>>(modules, "logger");
  (void)sdk::register_service<services::Gate>(modules, "gate");
  (void)sdk::register_service<services::Harbor>(modules, "harbor");
  (void)sdk::register_service<services::Resolver>(modules, SKYLOOM_RESOLVER);
  (void)modules.register_builtin("snlua", lua::snlua_functions());
  node->on_finished([&] { signals->notify(); });
  int code = kExitFailed;
  if (const auto started = node->start(); !started) {
    complain(started.error(), kExitFailed);
  } else {
    code = serve(*node, *signals);
  }
  node.reset();  // services end here, and may use the C interface until then
  capi::set_node(nullptr);
  return code;
}

}  // namespace skyloom::app
