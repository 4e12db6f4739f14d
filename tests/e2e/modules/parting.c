/* Sends and closes at once: every byte that was accepted must arrive, whatever the peer does.
 *
 * "serve": every client gets `4-byte big-endian length, that many bytes` and a close, all in the
 * callback that accepts it. "dial PORT COUNT": the same to COUNT connections that it makes itself,
 * `AT_ONCE` at a time, sent and closed before any of them can be open. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skynet.h"
#include "skynet_socket.h"

#define AT_ONCE 50
#define SIZE_MAX_SENT 300000u

static uint32_t s_sequence;
static int s_port, s_left, s_under_way;

static void send_and_close(struct skynet_context* ctx, int id) {
  /* A Weyl sequence: all sizes up to the maximum, in a scattered order. */
  const uint32_t size = (s_sequence++ * 2654435761u) % SIZE_MAX_SENT;
  char* header = skynet_malloc(4);
  for (int i = 0; i < 4; ++i) header[i] = (char)(size >> (24 - 8 * i));
  skynet_socket_send(ctx, id, header, 4);
  for (uint32_t sent = 0; sent < size;) {
    const uint32_t count = size - sent < 70000 ? size - sent : 70000;
    char* part = skynet_malloc(count);
    for (uint32_t i = 0; i < count; ++i) part[i] = (char)((sent + i) % 251);
    if (skynet_socket_send(ctx, id, part, (int)count) != 0) {
      skynet_error(ctx, "parting: refused after %u of %u bytes", sent, size);
      break;
    }
    sent += count;
  }
  skynet_socket_close(ctx, id);
}

static void dial_some(struct skynet_context* ctx) {
  while (s_left > 0 && s_under_way < AT_ONCE) {
    const int id = skynet_socket_connect(ctx, "127.0.0.1", s_port);
    if (id < 0) {
      skynet_error(ctx, "parting: connect failed");
      return;
    }
    --s_left;
    ++s_under_way;
    send_and_close(ctx, id);
  }
}

static void on_end_of_dialled(struct skynet_context* ctx) {
  --s_under_way;
  dial_some(ctx);
  if (s_left == 0 && s_under_way == 0) skynet_error(ctx, "parting: dialled all");
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)session, (void)source;
  if (type != PTYPE_SOCKET) return 0;
  const struct skynet_socket_message* event = msg;
  switch (event->type) {
    case SKYNET_SOCKET_TYPE_CONNECT:
      if (event->ud > 0) {
        skynet_error(ctx, "parting: port %d", event->ud);
        skynet_socket_start(ctx, event->id);
      }
      break;
    case SKYNET_SOCKET_TYPE_ACCEPT:
      skynet_socket_start(ctx, event->ud);
      send_and_close(ctx, event->ud);
      break;
    case SKYNET_SOCKET_TYPE_DATA: skynet_free(event->buffer); break;
    case SKYNET_SOCKET_TYPE_CLOSE:
      if (s_port != 0) on_end_of_dialled(ctx);
      break;
    case SKYNET_SOCKET_TYPE_ERROR:
      skynet_error(ctx, "parting: error: %.*s", (int)(sz - sizeof *event),
                   (const char*)(event + 1));
      break;
    default: break;
  }
  return 0;
}

int parting_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst;
  skynet_callback(ctx, NULL, on_message);
  if (parm != NULL && sscanf(parm, "dial %d %d", &s_port, &s_left) == 2) {
    dial_some(ctx);
    return 0;
  }
  return skynet_socket_listen(ctx, "127.0.0.1", 0, 4096) > 0 ? 0 : 1;
}
