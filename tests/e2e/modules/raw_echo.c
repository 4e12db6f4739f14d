/* Echo without frames, at the port that it logs: every block goes back as it came, without a copy.
 */
#include <stdio.h>

#include "skynet.h"
#include "skynet_socket.h"

static int on_event(struct skynet_context* ctx, const struct skynet_socket_message* event,
                    size_t sz) {
  switch (event->type) {
    case SKYNET_SOCKET_TYPE_CONNECT:
      if (event->ud > 0) {
        skynet_error(ctx, "raw echo: port %d", event->ud);
        skynet_socket_start(ctx, event->id);
      }
      break;
    case SKYNET_SOCKET_TYPE_ACCEPT: skynet_socket_start(ctx, event->ud); break;
    case SKYNET_SOCKET_TYPE_DATA:
      skynet_socket_send(ctx, event->id, event->buffer, event->ud);
      break;
    case SKYNET_SOCKET_TYPE_CLOSE: skynet_socket_close(ctx, event->id); break;
    case SKYNET_SOCKET_TYPE_ERROR:
      skynet_error(ctx, "raw echo: error of %d: %.*s", event->id, (int)(sz - sizeof *event),
                   (const char*)(event + 1));
      break;
    case SKYNET_SOCKET_TYPE_WARNING:
      skynet_error(ctx, "raw echo: %d has %d KiB queued", event->id, event->ud);
      break;
    default: skynet_free(event->buffer);
  }
  return 0;
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)session, (void)source;
  return type == PTYPE_SOCKET ? on_event(ctx, msg, sz) : 0;
}

/* The argument, if any, is `host port`. */
int raw_echo_init(void* inst, struct skynet_context* ctx, const char* parm) {
  char host[64] = "127.0.0.1";
  int port = 0;
  (void)inst;
  if (parm != NULL && parm[0] != '\0' && sscanf(parm, "%63s %d", host, &port) != 2) return 1;
  skynet_callback(ctx, NULL, on_message);
  if (skynet_socket_listen(ctx, host, port, 1024) > 0) return 0;
  skynet_error(ctx, "raw echo: cannot listen on %s:%d", host, port);
  return 1;
}
