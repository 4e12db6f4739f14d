// The one node that the C functions of this process mean. The only process-wide state of ours.
#pragma once

#include "node/node.hpp"

namespace skyloom::capi {

// Before the node starts, and null after it has ended. Main thread.
void set_node(node::Node* node) noexcept;
// Null when there is no node. Any thread.
node::Node* current_node() noexcept;

}  // namespace skyloom::capi
