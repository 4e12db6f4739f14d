#include "services/builtin.hpp"
namespace skyloom::services { void register_builtin(actor::Modules&) {} }
