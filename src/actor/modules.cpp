#include "actor/modules.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace skyloom::actor {
namespace {

// Calls visit(pattern) for each entry until it returns false. Empty entries are skipped.
template <class Visit>
void for_each_pattern(std::string_view cpath, Visit visit) {
  while (!cpath.empty()) {
    const size_t end = cpath.find(';');
    const std::string_view pattern = cpath.substr(0, end);
    cpath.remove_prefix(end == std::string_view::npos ? cpath.size() : end + 1);
    if (!pattern.empty() && !visit(pattern)) return;
  }
}

std::string file_of(std::string_view pattern, std::string_view name) {
  const size_t mark = pattern.find('?');
  std::string file(pattern.substr(0, mark));
  if (mark == std::string_view::npos) return file;
  file += name;
  file += pattern.substr(mark + 1);
  return file;
}

// Symbols are named after the part of the module's name behind its last dot.
template <class Function>
void look_up(void* library, std::string_view name, const char* suffix, Function*& function) {
  const size_t dot = name.rfind('.');
  std::string symbol(dot == std::string_view::npos ? name : name.substr(dot + 1));
  symbol += suffix;
  void* address = ::dlsym(library, symbol.c_str());
  static_assert(sizeof(address) == sizeof(function));
  std::memcpy(&function, &address, sizeof(function));  // POSIX promises that this makes a function
}

bool is_safe_name(std::string_view name) {
  return !name.empty() && name.find('/') == std::string_view::npos &&
         name.find("..") == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

}  // namespace

base::Result<void, std::string> Modules::check_cpath(std::string_view cpath) {
  std::string error;
  bool is_empty = true;
  for_each_pattern(cpath, [&](std::string_view pattern) {
    is_empty = false;
    const size_t mark = pattern.find('?');
    if (mark == std::string_view::npos) {
      error = "cpath: no '?' in '" + std::string(pattern) + "'";
    } else if (pattern.find('?', mark + 1) != std::string_view::npos) {
      error = "cpath: more than one '?' in '" + std::string(pattern) + "'";
    }
    return error.empty();
  });
  if (is_empty) error = "cpath: it is empty";
  if (!error.empty()) return error;
  return {};
}

bool Modules::register_builtin(std::string_view name, const ModuleFunctions& functions) {
  if (functions.init == nullptr || !is_safe_name(name)) return false;
  auto module = std::make_unique<Module>(Module{std::string(name), functions});
  const Module* mine = module.get();
  return insert(std::move(module)) == mine;
}

const Module* Modules::find_known(std::string_view name) {
  base::MutexLock lock(mutex_);
  const auto found = known_.find(name);
  return found == known_.end() ? nullptr : found->second.get();
}

// The first one of a name stays.
const Module* Modules::insert(std::unique_ptr<Module> module) {
  base::MutexLock lock(mutex_);
  std::string name = module->name;
  return known_.try_emplace(std::move(name), std::move(module)).first->second.get();
}

base::Result<const Module*, std::string> Modules::find(std::string_view name) {
  if (const Module* known = find_known(name)) return known;
  if (!is_safe_name(name)) {
    return "module name '" + std::string(name) + "' is empty or leads out of cpath";
  }
  return load(name);
}

// No lock is held: constructors of the library may call us. Two threads that load the same module
// get the same library from dlopen, and insert() keeps one Module.
base::Result<const Module*, std::string> Modules::load(std::string_view name) {
  std::string tried;
  std::string file;
  for_each_pattern(cpath_, [&](std::string_view pattern) {
    std::string candidate = file_of(pattern, name);
    if (::access(candidate.c_str(), F_OK) == 0) {
      file = std::move(candidate);
      return false;
    }
    tried += (tried.empty() ? "" : ", ") + candidate;
    return true;
  });
  if (file.empty()) return "module " + std::string(name) + " not found, tried: " + tried;

  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);  // never closed
  if (library == nullptr) {
    const char* reason = ::dlerror();
    return "can't load module " + std::string(name) + ": " +
           (reason == nullptr ? "unknown reason" : reason);
  }
  auto module = std::make_unique<Module>();
  module->name = name;
  look_up(library, name, "_create", module->functions.create);
  look_up(library, name, "_init", module->functions.init);
  look_up(library, name, "_release", module->functions.release);
  look_up(library, name, "_signal", module->functions.signal);
  if (module->functions.init == nullptr) {
    const size_t dot = name.rfind('.');
    const std::string part(dot == std::string_view::npos ? name : name.substr(dot + 1));
    return "module " + std::string(name) + ": " + file + " has no function " + part + "_init";
  }
  return insert(std::move(module));
}

}  // namespace skyloom::actor
