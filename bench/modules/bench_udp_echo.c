/* UDP echo in one C service. Parameter: "PORT" or "HOST:PORT". */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skynet.h"
#include "skynet_malloc.h"
#include "skynet_socket.h"

enum { HOST_MAX = 128 };

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct skynet_socket_message event;
  struct socket_sendbuffer reply;
  const char* address;
  int address_size = 0;
  (void)ud;
  (void)session;
  (void)source;
  (void)sz;
  if (type != PTYPE_SOCKET) return 0;
  memcpy(&event, msg, sizeof event);
  if (event.type != SKYNET_SOCKET_TYPE_UDP) return 0;
  /* The address lies behind the payload in the block that is sent away: read it first. */
  address = skynet_socket_udp_address(&event, &address_size);
  if (address == NULL) {
    skynet_free(event.buffer);
    return 0;
  }
  reply.id = event.id;
  reply.type = SOCKET_BUFFER_RAWPOINTER;
  reply.buffer = event.buffer;
  reply.sz = (size_t)event.ud;
  skynet_socket_udp_sendbuffer(ctx, address, &reply);
  skynet_free(event.buffer);
  return 0;
}

static int parse_address(const char* parm, char host[HOST_MAX], int* port) {
  if (parm == NULL) return 0;
  if (sscanf(parm, "%127[^: ]:%d", host, port) == 2) return 1;
  strcpy(host, "127.0.0.1");
  return sscanf(parm, "%d", port) == 1;
}

int bench_udp_echo_init(void* self, struct skynet_context* ctx, const char* parm) {
  char host[HOST_MAX] = "127.0.0.1";
  int port = 0;
  if (!parse_address(parm, host, &port)) {
    skynet_error(ctx, "bench_udp_echo: parameter must be PORT or HOST:PORT");
    return 1;
  }
  skynet_callback(ctx, self, on_message);
  return skynet_socket_udp(ctx, host, port) < 0 ? 1 : 0;
}
