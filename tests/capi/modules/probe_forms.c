/* The inline functions of skynet_socket.h, as a module has them that is compiled against it. */
#include "skynet/skyloom.h"
#include "skynet/skynet_socket.h"

int inline_send(struct skynet_context* context, int id, void* buffer, int sz);
int inline_low(struct skynet_context* context, int id, void* buffer, int sz);
int inline_udp(struct skynet_context* context, int id, const char* address, const void* buffer,
               int sz);
int set_framing(struct skynet_context* context, int id, int framing, size_t frame_bytes_max);

int inline_send(struct skynet_context* context, int id, void* buffer, int sz) {
  return skynet_socket_send(context, id, buffer, sz);
}
int inline_low(struct skynet_context* context, int id, void* buffer, int sz) {
  return skynet_socket_send_lowpriority(context, id, buffer, sz);
}
int inline_udp(struct skynet_context* context, int id, const char* address, const void* buffer,
               int sz) {
  return skynet_socket_udp_send(context, id, address, buffer, sz);
}
int set_framing(struct skynet_context* context, int id, int framing, size_t frame_bytes_max) {
  return skyloom_socket_framing(context, id, framing, frame_bytes_max);
}
