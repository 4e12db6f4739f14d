/* An echo server in C: one service that owns all of its clients. Parameter: the port, on 127.0.0.1.
 */
#include <stdlib.h>

#include "skynet/skynet_socket.h"

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  const struct skynet_socket_message* event = msg;
  (void)ud, (void)session, (void)source, (void)sz;
  if (type != PTYPE_SOCKET) return 0;
  switch (event->type) {
    case SKYNET_SOCKET_TYPE_CONNECT: /* a listener tells its port, a client that it was started */
      if (event->ud != 0) skynet_error(ctx, "echo on port %d", event->ud);
      break;
    case SKYNET_SOCKET_TYPE_ACCEPT: /* nothing is read before it is started */
      skynet_socket_start(ctx, event->ud);
      break;
    case SKYNET_SOCKET_TYPE_DATA: /* the block is ours; sending gives it away */
      skynet_socket_send(ctx, event->id, event->buffer, event->ud);
      break;
    case SKYNET_SOCKET_TYPE_CLOSE: /* the client is done: what is queued is still sent */
      skynet_socket_close(ctx, event->id);
      break;
    default: /* the ERROR of a client is followed by its CLOSE */ break;
  }
  return 0; /* the runtime frees the message */
}

int echo_c_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst;
  const int port = parm == NULL ? 0 : atoi(parm);
  const int listener = skynet_socket_listen(ctx, "127.0.0.1", port, 128);
  if (listener < 0) return 1; /* the log says why */
  skynet_callback(ctx, NULL, on_message);
  skynet_socket_start(ctx, listener);
  return 0;
}
