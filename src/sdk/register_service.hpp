// Makes a C++ service class a built-in type of a node: no shared object is needed. Call it between
// Node::create() and Node::start().
#pragma once

#include <string_view>

#include "actor/modules.hpp"
#include "skyloom/service.hpp"

namespace skyloom::sdk {

// False when the name is taken.
template <class T>
bool register_service(actor::Modules& modules, std::string_view name) {
  return modules.register_builtin(name, {.create = ServiceModule<T>::create,
                                         .init = ServiceModule<T>::init,
                                         .release = ServiceModule<T>::release,
                                         .signal = ServiceModule<T>::signal});
}

}  // namespace skyloom::sdk
