/* Sends `broadcast_bytes` bytes to all its clients, 20 times a second, and a raw echo runs beside
 * it. It goes on for those that do not read: what the engine does about them is the test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skynet.h"
#include "skynet_socket.h"

#define PERIOD "5" /* centiseconds */

static int* s_clients;
static size_t s_count, s_capacity;
static char* s_payload;
static size_t s_bytes;
static unsigned s_refused, s_closed;

static void add_client(int id) {
  if (s_count == s_capacity) {
    s_capacity = s_capacity == 0 ? 64 : s_capacity * 2;
    s_clients = skynet_realloc(s_clients, s_capacity * sizeof *s_clients);
  }
  s_clients[s_count++] = id;
}

static void remove_client(int id) {
  for (size_t i = 0; i < s_count; ++i) {
    if (s_clients[i] == id) {
      s_clients[i] = s_clients[--s_count];
      ++s_closed;
      return;
    }
  }
}

static void broadcast(struct skynet_context* ctx) {
  for (size_t i = 0; i < s_count; ++i) {
    struct socket_sendbuffer buffer = {s_clients[i], SOCKET_BUFFER_RAWPOINTER, s_payload, s_bytes};
    if (skynet_socket_sendbuffer(ctx, &buffer) != 0) ++s_refused;
  }
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)session, (void)source, (void)sz;
  static unsigned s_rounds;
  if (type == PTYPE_RESPONSE) {
    broadcast(ctx);
    skynet_command(ctx, "TIMEOUT", PERIOD);
    if (++s_rounds % 20 == 0) {
      skynet_error(ctx, "broadcast: %zu clients, %u refused, %u closed", s_count, s_refused,
                   s_closed);
    }
    return 0;
  }
  if (type != PTYPE_SOCKET) return 0;
  const struct skynet_socket_message* event = msg;
  switch (event->type) {
    case SKYNET_SOCKET_TYPE_CONNECT:
      if (event->ud > 0) {
        skynet_error(ctx, "broadcast: port %d", event->ud);
        skynet_socket_start(ctx, event->id);
      }
      break;
    case SKYNET_SOCKET_TYPE_ACCEPT:
      skynet_socket_start(ctx, event->ud);
      add_client(event->ud);
      break;
    case SKYNET_SOCKET_TYPE_DATA: skynet_free(event->buffer); break;
    case SKYNET_SOCKET_TYPE_CLOSE:
      remove_client(event->id);
      skynet_socket_close(ctx, event->id);
      break;
    default: break;
  }
  return 0;
}

int broadcast_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst, (void)parm;
  s_bytes = strtoul(skynet_command(ctx, "GETENV", "broadcast_bytes"), NULL, 10);
  s_payload = skynet_malloc(s_bytes);
  memset(s_payload, 'b', s_bytes);
  skynet_callback(ctx, NULL, on_message);
  skynet_command(ctx, "TIMEOUT", PERIOD);
  if (skynet_command(ctx, "LAUNCH", "raw_echo") == NULL) return 1;
  return skynet_socket_listen(ctx, "127.0.0.1", 0, 4096) > 0 ? 0 : 1;
}
