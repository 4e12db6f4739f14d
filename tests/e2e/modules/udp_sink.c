/* Takes datagrams at the port of the configuration's `udp_port`, and logs how many at each client
 * that connects to its TCP port. A raw echo runs beside it. */
#include <stdlib.h>

#include "skynet.h"
#include "skynet_socket.h"

static unsigned long s_datagrams, s_bytes;

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)session, (void)source, (void)sz;
  if (type != PTYPE_SOCKET) return 0;
  const struct skynet_socket_message* event = msg;
  switch (event->type) {
    case SKYNET_SOCKET_TYPE_CONNECT:
      if (event->ud > 0) {
        skynet_error(ctx, "udp sink: port %d", event->ud);
        skynet_socket_start(ctx, event->id);
      }
      break;
    case SKYNET_SOCKET_TYPE_ACCEPT:
      skynet_error(ctx, "udp sink: %lu datagrams, %lu bytes", s_datagrams, s_bytes);
      skynet_socket_shutdown(ctx, event->ud);
      break;
    case SKYNET_SOCKET_TYPE_UDP:
      ++s_datagrams;
      s_bytes += (unsigned long)event->ud;
      skynet_free(event->buffer);
      break;
    case SKYNET_SOCKET_TYPE_DATA: skynet_free(event->buffer); break;
    default: break;
  }
  return 0;
}

int udp_sink_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst, (void)parm;
  skynet_callback(ctx, NULL, on_message);
  if (skynet_command(ctx, "LAUNCH", "raw_echo") == NULL) return 1;
  const int port = atoi(skynet_command(ctx, "GETENV", "udp_port"));
  if (skynet_socket_udp(ctx, "127.0.0.1", port) < 0) return 1;
  return skynet_socket_listen(ctx, "127.0.0.1", 0, 128) > 0 ? 0 : 1;
}
