// A TCP connection as a plain program has it, without an engine: these functions wait for the
// network, except recv_some(). Never on a worker of a node that matters. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.hpp"
#include "os/unique_fd.hpp"

namespace skyloom::os {

// Tries every address of the host; the error is the last one's.
base::Result<UniqueFd> connect_tcp(const std::string& host, uint16_t port);
// What has come; nullopt: nothing yet; 0: the peer has ended.
base::Result<std::optional<size_t>> recv_some(int fd, std::span<char> into) noexcept;
// All of it.
base::Status send_all(int fd, std::span<const char> bytes) noexcept;

enum class Direction : uint8_t { kRead, kWrite, kBoth };
base::Status shutdown_socket(int fd, Direction direction) noexcept;

// From standard input, at least one byte; 0: its end.
base::Result<size_t> read_input(std::span<char> into) noexcept;

}  // namespace skyloom::os
