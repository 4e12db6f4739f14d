/* Sends `burst_bytes` to every client as soon as it is there, and logs once all of it is accepted:
 * what `send` has accepted must arrive, whatever happens to the node afterwards. */
#include <stdio.h>
#include <stdlib.h>

#include "skynet.h"
#include "skynet_socket.h"

#define CHUNK ((size_t)48 * 1024)

/* Byte i of the stream to a client. */
static char byte_at(size_t i) {
  return (char)((i * 131 + (i >> 16)) & 0xff);
}

static void send_burst(struct skynet_context* ctx, int id, size_t bytes) {
  size_t sent = 0;
  while (sent < bytes) {
    const size_t count = bytes - sent < CHUNK ? bytes - sent : CHUNK;
    char* chunk = skynet_malloc(count);
    for (size_t i = 0; i < count; ++i) chunk[i] = byte_at(sent + i);
    if (skynet_socket_send(ctx, id, chunk, (int)count) != 0) break;
    sent += count;
  }
  skynet_error(ctx, "burst: accepted %zu of %zu", sent, bytes);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)session, (void)source, (void)sz;
  if (type != PTYPE_SOCKET) return 0;
  const struct skynet_socket_message* event = msg;
  switch (event->type) {
    case SKYNET_SOCKET_TYPE_CONNECT:
      if (event->ud > 0) {
        skynet_error(ctx, "burst: port %d", event->ud);
        skynet_socket_start(ctx, event->id);
      }
      break;
    case SKYNET_SOCKET_TYPE_ACCEPT: skynet_socket_start(ctx, event->ud); break;
    case SKYNET_SOCKET_TYPE_DATA: /* any byte asks for the burst */
      skynet_free(event->buffer);
      send_burst(ctx, event->id, strtoul(skynet_command(ctx, "GETENV", "burst_bytes"), NULL, 10));
      if (skynet_command(ctx, "GETENV", "burst_close") != NULL) skynet_socket_close(ctx, event->id);
      break;
    case SKYNET_SOCKET_TYPE_CLOSE: skynet_socket_close(ctx, event->id); break;
    default: break;
  }
  return 0;
}

int burst_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst, (void)parm;
  skynet_callback(ctx, NULL, on_message);
  return skynet_socket_listen(ctx, "127.0.0.1", 0, 128) > 0 ? 0 : 1;
}
