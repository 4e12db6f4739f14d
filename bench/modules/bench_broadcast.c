/* Sends one payload to all its clients, again and again; logs the cost of one send to one socket.
   Parameter: "HOST:PORT CLIENTS ROUNDS BYTES HOW", HOW being `object` (one payload that counts its
   holders, which the engine sends from) or `copy` (the engine copies what it has to keep). There
   are 10 rounds a second. */
#define _POSIX_C_SOURCE 200809L
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_figures.h"
#include "skyloom.h"
#include "skynet.h"
#include "skynet_malloc.h"
#include "skynet_socket.h"
#include "socket_server.h"

/* Freed with its last holder: the service, and each send that is not done. */
struct payload {
  atomic_int holders;
  size_t size;
  char bytes[];
};

struct bench_broadcast {
  int clients_wanted;
  int rounds;
  int is_object;
  size_t bytes;
  int* clients;
  int count;
  int round;
  struct payload* payload;
  struct bench_start start;
};

static const void* payload_buffer(const void* object) {
  return ((const struct payload*)object)->bytes;
}

static size_t payload_size(const void* object) {
  return ((const struct payload*)object)->size;
}

static void payload_free(void* object) {
  struct payload* payload = object;
  if (atomic_fetch_sub(&payload->holders, 1) == 1) skynet_free(payload);
}

struct bench_broadcast* bench_broadcast_create(void) {
  return skynet_calloc(1, sizeof(struct bench_broadcast));
}

void bench_broadcast_release(struct bench_broadcast* self) {
  if (self->payload != NULL) payload_free(self->payload);
  skynet_free(self->clients);
  skynet_free(self);
}

static void send_to_all(struct bench_broadcast* self, struct skynet_context* ctx) {
  int i;
  if (self->is_object) atomic_fetch_add(&self->payload->holders, self->count);
  for (i = 0; i < self->count; ++i) {
    struct socket_sendbuffer buffer = {self->clients[i], SOCKET_BUFFER_RAWPOINTER,
                                       self->payload->bytes, self->bytes};
    if (self->is_object) {
      buffer.type = SOCKET_BUFFER_OBJECT;
      buffer.buffer = self->payload;
    }
    skynet_socket_sendbuffer(ctx, &buffer);
  }
}

/* What the engine does after the callback belongs to the round, too: so the figure is that of the
   whole process until the last one has been followed by silence. */
static void run_round(struct bench_broadcast* self, struct skynet_context* ctx) {
  if (self->round == 0) self->start = bench_begin();
  if (self->round < self->rounds) skynet_command(ctx, "TIMEOUT", "10");
  if (self->round++ < self->rounds) {
    send_to_all(self, ctx);
  } else {
    const double sends = (double)self->rounds * self->count;
    skynet_error(ctx, "bench_broadcast: %d sockets, %d rounds, %.2f ns cpu per message",
                 self->count, self->rounds,
                 (bench_nanos(CLOCK_PROCESS_CPUTIME_ID) - self->start.cpu) / sends);
  }
}

static void add_client(struct bench_broadcast* self, struct skynet_context* ctx, int id) {
  skynet_socket_start(ctx, id);
  if (self->count == self->clients_wanted) return;
  self->clients[self->count++] = id;
  if (self->count == self->clients_wanted) skynet_command(ctx, "TIMEOUT", "20");
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct bench_broadcast* self = ud;
  const struct skynet_socket_message* event = msg;
  (void)session;
  (void)source;
  (void)sz;
  if (type == PTYPE_RESPONSE) run_round(self, ctx);
  if (type != PTYPE_SOCKET) return 0;
  if (event->type == SKYNET_SOCKET_TYPE_ACCEPT) add_client(self, ctx, event->ud);
  if (event->type == SKYNET_SOCKET_TYPE_DATA) skynet_free(event->buffer);
  if (event->type == SKYNET_SOCKET_TYPE_CLOSE) skynet_socket_close(ctx, event->id);
  return 0;
}

static struct payload* make_payload(size_t size) {
  struct payload* payload = skynet_malloc(sizeof *payload + size);
  if (payload == NULL) return NULL;
  atomic_init(&payload->holders, 1);
  payload->size = size;
  memset(payload->bytes, 'b', size);
  return payload;
}

int bench_broadcast_init(struct bench_broadcast* self, struct skynet_context* ctx,
                         const char* parm) {
  static const struct socket_object_interface interface = {payload_buffer, payload_size,
                                                           payload_free};
  char host[64] = "";
  char how[8] = "";
  int port = 0;
  int listener;
  if (parm == NULL ||
      sscanf(parm, "%63[^:]:%d %d %d %zu %7s", host, &port, &self->clients_wanted, &self->rounds,
             &self->bytes, how) != 6 ||
      self->clients_wanted < 1 || self->rounds < 1) {
    skynet_error(ctx, "bench_broadcast: parameter must be HOST:PORT CLIENTS ROUNDS BYTES HOW");
    return 1;
  }
  self->is_object = strcmp(how, "object") == 0;
  self->clients = skynet_calloc((size_t)self->clients_wanted, sizeof *self->clients);
  self->payload = make_payload(self->bytes);
  if (self->clients == NULL || self->payload == NULL) return 1;
  skyloom_socket_userobject(&interface);
  skynet_callback(ctx, self, on_message);
  listener = skynet_socket_listen(ctx, host, port, 4096);
  if (listener < 0) return 1;
  skynet_socket_start(ctx, listener);
  return 0;
}
