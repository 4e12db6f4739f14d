/* Accepts clients and reads them, but never comes back from the first bytes that it gets. */
#include <unistd.h>

#include "skynet_socket.h"

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)session, (void)source, (void)sz;
  const struct skynet_socket_message* event = msg;
  if (type != PTYPE_SOCKET) return 0;
  if (event->type == SKYNET_SOCKET_TYPE_CONNECT && event->ud != 0) {
    skynet_error(ctx, "deaf: port %d", event->ud);
  }
  if (event->type == SKYNET_SOCKET_TYPE_ACCEPT) skynet_socket_start(ctx, event->ud);
  if (event->type == SKYNET_SOCKET_TYPE_DATA) {
    skynet_free(event->buffer);
    for (;;) pause();
  }
  return 0;
}

int deaf_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst, (void)parm;
  const int listener = skynet_socket_listen(ctx, "127.0.0.1", 0, 16);
  if (listener < 0) return 1;
  skynet_callback(ctx, NULL, on_message);
  skynet_socket_start(ctx, listener);
  return 0;
}
