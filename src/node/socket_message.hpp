// Socket events as the PTYPE_SOCKET messages that services know (contract 1.6, 2.5): one block with
// a struct skynet_socket_message, the text behind it, or a second block that the receiver frees.
// Pure functions; any thread.
#pragma once

#include <string>

#include "actor/message.hpp"
#include "net/event.hpp"

namespace skyloom::node {

// An empty message (no data) when there is no memory.
actor::Message make_socket_message(net::Event event) noexcept;

// Bytes of the second block; 0 for other messages.
size_t socket_message_weight(const actor::RawMessage& message) noexcept;
// Frees the second block of a message that nobody received.
void dispose_socket_message(const actor::RawMessage& message) noexcept;
// For message dumps: "[socket] type id ud " and "[text]" or the payload in hex (contract 3.11).
std::string describe_socket_message(const actor::RawMessage& message);

}  // namespace skyloom::node
