#include "actor/service.hpp"

#include "actor/dump.hpp"

namespace skyloom::actor {

Service::Service() noexcept = default;
Service::~Service() = default;

}  // namespace skyloom::actor
