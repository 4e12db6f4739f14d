// The types of services: built-in ones, registered by name, and shared objects found through
// `cpath` (contract 1.7). A type stays for the life of the process; its code is never unloaded. Any
// thread; a look-up of a known type takes a short lock.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.hpp"
#include "base/result.hpp"

struct skynet_context;

namespace skyloom::actor {

// The four functions of a service type, as C modules export them.
struct ModuleFunctions {
  void* (*create)() = nullptr;  // optional; a null result fails the launch
  int (*init)(void* instance, skynet_context* context,
              const char* parameter) = nullptr;          // required
  void (*release)(void* instance) = nullptr;             // optional
  void (*signal)(void* instance, int number) = nullptr;  // optional; may run beside the service
};

struct Module {
  std::string name;
  ModuleFunctions functions;
};

class Modules {
 public:
  // `cpath`: patterns separated by ';', each with one '?' that stands for the module's name.
  explicit Modules(std::string cpath) : cpath_(std::move(cpath)) {}

  // Why a cpath cannot be used, naming the bad entry.
  static base::Result<void, std::string> check_cpath(std::string_view cpath);

  // A built-in type; it hides a shared object of the same name. False when the name is taken or
  // there is no init function.
  bool register_builtin(std::string_view name, const ModuleFunctions& functions);

  // The type of this name, loaded if need be; valid for ever. The error is a text for the log.
  base::Result<const Module*, std::string> find(std::string_view name);

 private:
  base::Result<const Module*, std::string> load(std::string_view name);
  const Module* find_known(std::string_view name);
  const Module* insert(std::unique_ptr<Module> module);

  const std::string cpath_;
  base::Mutex mutex_;
  std::map<std::string, std::unique_ptr<Module>, std::less<>> known_ SKYLOOM_GUARDED_BY(mutex_);
};

}  // namespace skyloom::actor
