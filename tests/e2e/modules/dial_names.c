/* For every byte that a client sends, 100 connects by names that nobody resolves; the end of each
 * is logged, with its reason. A raw echo runs beside it. */
#include <stdio.h>

#include "skynet.h"
#include "skynet_socket.h"

#define AT_ONCE 100

static int s_dialled, s_failed;

static void dial(struct skynet_context* ctx) {
  for (int i = 0; i < AT_ONCE; ++i) {
    char name[64];
    snprintf(name, sizeof name, "host-%d.example.invalid", s_dialled++);
    if (skynet_socket_connect(ctx, name, 80) < 0) skynet_error(ctx, "dial names: refused");
  }
  skynet_error(ctx, "dial names: %d under way", s_dialled - s_failed);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)session, (void)source;
  if (type != PTYPE_SOCKET) return 0;
  const struct skynet_socket_message* event = msg;
  switch (event->type) {
    case SKYNET_SOCKET_TYPE_CONNECT:
      if (event->ud > 0) {
        skynet_error(ctx, "dial names: port %d", event->ud);
        skynet_socket_start(ctx, event->id);
      }
      break;
    case SKYNET_SOCKET_TYPE_ACCEPT: skynet_socket_start(ctx, event->ud); break;
    case SKYNET_SOCKET_TYPE_DATA:
      for (int i = 0; i < event->ud; ++i) dial(ctx);
      skynet_free(event->buffer);
      break;
    case SKYNET_SOCKET_TYPE_CLOSE: skynet_socket_close(ctx, event->id); break;
    case SKYNET_SOCKET_TYPE_ERROR:
      skynet_error(ctx, "dial names: end %d: %.*s", ++s_failed, (int)(sz - sizeof *event),
                   (const char*)(event + 1));
      break;
    default: break;
  }
  return 0;
}

int dial_names_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst, (void)parm;
  skynet_callback(ctx, NULL, on_message);
  if (skynet_command(ctx, "LAUNCH", "raw_echo") == NULL) return 1;
  return skynet_socket_listen(ctx, "127.0.0.1", 0, 128) > 0 ? 0 : 1;
}
