/* Raw TCP echo in one C service. Parameter: "PORT" or "HOST:PORT". Accepted sockets are started
   here and every block that arrives is sent back as it is, without a copy: the block changes hands.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skynet.h"
#include "skynet_malloc.h"
#include "skynet_socket.h"

enum { HOST_MAX = 128 };

struct bench_echo {
  int listener;
};

struct bench_echo* bench_echo_create(void) {
  return skynet_calloc(1, sizeof(struct bench_echo));
}

void bench_echo_release(struct bench_echo* self) {
  skynet_free(self);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  const struct bench_echo* self = ud;
  const struct skynet_socket_message* event = msg;
  (void)session;
  (void)source;
  (void)sz;
  if (type != PTYPE_SOCKET) return 0;
  switch (event->type) {
    case SKYNET_SOCKET_TYPE_DATA:
      skynet_socket_send(ctx, event->id, event->buffer, event->ud);
      break;
    case SKYNET_SOCKET_TYPE_ACCEPT:
      skynet_socket_nodelay(ctx, event->ud);
      skynet_socket_start(ctx, event->ud);
      break;
    case SKYNET_SOCKET_TYPE_CLOSE:
    case SKYNET_SOCKET_TYPE_ERROR:
      if (event->id != self->listener) skynet_socket_close(ctx, event->id);
      break;
    default: break;
  }
  return 0;
}

static int parse_address(const char* parm, char host[HOST_MAX], int* port) {
  if (parm == NULL) return 0;
  if (sscanf(parm, "%127[^: ]:%d", host, port) == 2) return 1;
  strcpy(host, "127.0.0.1");
  return sscanf(parm, "%d", port) == 1;
}

int bench_echo_init(struct bench_echo* self, struct skynet_context* ctx, const char* parm) {
  char host[HOST_MAX] = "127.0.0.1";
  int port = 0;
  if (!parse_address(parm, host, &port)) {
    skynet_error(ctx, "bench_echo: parameter must be PORT or HOST:PORT");
    return 1;
  }
  skynet_callback(ctx, self, on_message);
  self->listener = skynet_socket_listen(ctx, host, port, 1024);
  if (self->listener < 0) return 1;
  skynet_socket_start(ctx, self->listener);
  return 0;
}
