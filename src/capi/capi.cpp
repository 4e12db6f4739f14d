#include "capi/capi.hpp"

#include <atomic>

namespace skyloom::capi {
namespace {

std::atomic<node::Node*> the_node{nullptr};

}  // namespace

void set_node(node::Node* node) noexcept {
  the_node.store(node, std::memory_order_release);
}

// Pairs with the store above: the node is whole.
node::Node* current_node() noexcept {
  return the_node.load(std::memory_order_acquire);
}

}  // namespace skyloom::capi
