// Tells whose code runs on this thread, for skynet_current_handle() and the accounting.
#pragma once

namespace skyloom::actor {

class Service;

// While it lives, `service` is the current one; scopes nest (a launch inside a callback).
class ServiceScope {
 public:
  explicit ServiceScope(Service& service) noexcept;
  ~ServiceScope();
  ServiceScope(const ServiceScope&) = delete;
  ServiceScope& operator=(const ServiceScope&) = delete;

 private:
  Service* const outer_;
};

}  // namespace skyloom::actor
