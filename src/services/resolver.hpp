// Answers who asks for the addresses of a host (skynet/skyloom.h, SKYLOOM_RESOLVER), so that a
// script can wait for a name without holding its worker (contract D-11). The deadline of each
// question is dns_timeout.
#pragma once

#include <chrono>
#include <string_view>
#include <unordered_map>

#include "skyloom/service.hpp"

namespace skyloom::services {

class Resolver final : public Service {
 public:
  bool on_start(Context& context, std::string_view arguments) override;
  void on_message(Context& context, Message& message) override;

 private:
  struct Question {
    Handle asker;
    Session session;   // of the asker
    Session deadline;  // kNone: there is none
  };

  void on_question(Context& context, const Message& message);
  void on_answer(Context& context, const Message& message);
  void answer(Context& context, Session lookup, std::string_view text);

  std::chrono::milliseconds timeout_{0};             // 0: none
  std::unordered_map<Session, Question> questions_;  // by session of the lookup
  std::unordered_map<Session, Session> deadlines_;   // timer to lookup
};

}  // namespace skyloom::services
