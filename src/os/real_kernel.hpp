// Kernel calls as Linux makes them.
#pragma once

#include "os/kernel.hpp"

namespace skyloom::os {

class RealKernel final : public Kernel {
 public:
  base::Result<int> open_socket(int family, SocketType type) noexcept override;
  base::Status bind(int fd, const SocketAddress& address) noexcept override;
  base::Status listen(int fd, int backlog) noexcept override;
  base::Result<Accepted> accept(int fd) noexcept override;
  base::Status connect(int fd, const SocketAddress& address) noexcept override;
  base::Status set_option(int fd, SocketOption option, int value) noexcept override;
  base::Status take_error(int fd) noexcept override;
  base::Result<SocketAddress> local_address(int fd) noexcept override;
  base::Result<SocketAddress> peer_address(int fd) noexcept override;
  base::Result<uint64_t> socket_file(const SocketAddress& address) noexcept override;
  base::Status set_file_mode(const SocketAddress& address, uint32_t mode) noexcept override;
  base::Status unlink(const SocketAddress& address) noexcept override;
  base::Result<size_t> recv(int fd, std::span<char> into) noexcept override;
  base::Result<size_t> send(int fd, std::span<const iovec> parts) noexcept override;
  base::Result<size_t> read_foreign(int fd, std::span<char> into) noexcept override;
  base::Result<size_t> write_foreign(int fd, std::span<const iovec> parts) noexcept override;
  base::Status shutdown_write(int fd) noexcept override;
  base::Result<size_t> unsent_bytes(int fd) noexcept override;
  base::Result<size_t> send_room(int fd) noexcept override;
  base::Result<size_t> send_to(int fd, std::span<const iovec> parts,
                               const SocketAddress* to) noexcept override;
  base::Result<Datagram> recv_from(int fd, std::span<char> into) noexcept override;
  base::Result<SocketAddress> accepted_address(int fd) noexcept override;
  base::Status set_nonblocking(int fd) noexcept override;
  base::Result<int> open_reserve() noexcept override;
  uint64_t descriptors_end() noexcept override;
  void close(int fd) noexcept override;
};

}  // namespace skyloom::os
