/* Answers when its client has ended its side: `answer_bytes` bytes, then it closes. */
#include <stdlib.h>
#include <string.h>

#include "skynet.h"
#include "skynet_socket.h"

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)session, (void)source, (void)sz;
  if (type != PTYPE_SOCKET) return 0;
  const struct skynet_socket_message* event = msg;
  switch (event->type) {
    case SKYNET_SOCKET_TYPE_CONNECT:
      if (event->ud > 0) {
        skynet_error(ctx, "half close: port %d", event->ud);
        skynet_socket_start(ctx, event->id);
      }
      break;
    case SKYNET_SOCKET_TYPE_ACCEPT: skynet_socket_start(ctx, event->ud); break;
    case SKYNET_SOCKET_TYPE_DATA: skynet_free(event->buffer); break;
    case SKYNET_SOCKET_TYPE_CLOSE: {
      const size_t bytes = strtoul(skynet_command(ctx, "GETENV", "answer_bytes"), NULL, 10);
      char* answer = skynet_malloc(bytes);
      memset(answer, 'a', bytes);
      skynet_socket_send(ctx, event->id, answer, (int)bytes);
      skynet_socket_close(ctx, event->id);
      break;
    }
    default: break;
  }
  return 0;
}

int half_close_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst, (void)parm;
  skynet_callback(ctx, NULL, on_message);
  return skynet_socket_listen(ctx, "127.0.0.1", 0, 128) > 0 ? 0 : 1;
}
