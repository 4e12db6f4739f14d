// An echo server in C++: one service that owns all of its clients. docs/guide/cpp-services.md.
#include <charconv>
#include <string_view>

#include "skyloom/service.hpp"

namespace {

class Echo final : public skyloom::Service {
 public:
  bool on_start(skyloom::Context& context, std::string_view arguments) override {
    uint16_t port = 0;
    std::from_chars(arguments.data(), arguments.data() + arguments.size(), port);
    listener_ = context.listen({.host = "127.0.0.1", .port = port});
    if (listener_ == skyloom::SocketId::kNone) return false;
    context.start(listener_);
    return true;
  }

  void on_socket(skyloom::Context& context, skyloom::SocketEvent& event) override {
    using Kind = skyloom::SocketEvent::Kind;
    switch (event.kind) {
      case Kind::kConnect:
        if (event.id == listener_ && event.value != 0) context.logf("echo on port %d", event.value);
        return;
      case Kind::kAccept: return context.start(event.accepted());
      case Kind::kData: (void)context.write(event.id, event.take()); return;  // the same block
      case Kind::kClose: return context.close(event.id);  // what is queued is still sent
      case Kind::kError:  // of a client: a kClose follows; of the listener: it goes on
      case Kind::kUdp:
      case Kind::kWarning: return;
    }
  }

 private:
  skyloom::SocketId listener_ = skyloom::SocketId::kNone;
};

}  // namespace

SKYLOOM_SERVICE(echo_cpp, Echo)
