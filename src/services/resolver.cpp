#include "services/resolver.hpp"

#include <string>

#include "services/limits.hpp"

namespace skyloom::services {
namespace {

constexpr uint64_t kDnsTimeoutDefault = 5000;  // milliseconds, as the node's

std::string unresolved(std::string_view reason) {
  return std::string(1, SKYLOOM_UNRESOLVED).append(reason);
}

}  // namespace

bool Resolver::on_start(Context& context, std::string_view /*arguments*/) {
  timeout_ = std::chrono::milliseconds(limit_of(context, "dns_timeout", kDnsTimeoutDefault));
  return context.register_name(SKYLOOM_RESOLVER);
}

void Resolver::on_message(Context& context, Message& message) {
  if (message.type == MessageType::kResponse) {
    on_answer(context, message);
  } else if (Context::wants_answer(message)) {
    on_question(context, message);
  }
}

void Resolver::on_question(Context& context, const Message& message) {
  Question question{message.source, message.session, Session::kNone};
  if (timeout_.count() != 0) {
    question.deadline = context.timeout(timeout_);
    if (question.deadline == Session::kNone) {
      (void)context.reply(message, unresolved("too many timers"));
      return;
    }
  }
  const std::string host(message.payload);
  const bool has_nul = host.find('\0') != std::string::npos;
  const int lookup = has_nul ? -1 : skyloom_resolve(context.c_context(), host.c_str());
  if (lookup < 0) {
    (void)context.cancel(question.deadline);
    (void)context.reply(message, unresolved("bad address, or no memory"));
    return;
  }
  questions_.emplace(Session{lookup}, question);
  if (question.deadline != Session::kNone) deadlines_.emplace(question.deadline, Session{lookup});
}

void Resolver::on_answer(Context& context, const Message& message) {
  const auto timer = deadlines_.find(message.session);
  if (timer != deadlines_.end()) {
    answer(context, timer->second, unresolved("dns timeout"));
  } else {
    answer(context, message.session, message.payload);
  }
}

// What is late finds no question.
void Resolver::answer(Context& context, Session lookup, std::string_view text) {
  const auto found = questions_.find(lookup);
  if (found == questions_.end()) return;
  const Question question = found->second;
  questions_.erase(found);
  deadlines_.erase(question.deadline);
  (void)context.cancel(question.deadline);
  (void)context.send(question.asker, {MessageType::kResponse, question.session}, text);
}

}  // namespace skyloom::services
