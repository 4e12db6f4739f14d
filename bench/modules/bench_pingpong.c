/* Two services that exchange 32-byte messages; logs the cost of one message and ends the node.
   Parameter: "MESSAGES [IN_FLIGHT]". The second service is the same module with "peer". */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_figures.h"
#include "skynet.h"
#include "skynet_malloc.h"

enum { PAYLOAD_BYTES = 32 };

struct bench_pingpong {
  uint32_t peer; /* 0: this is the peer, which answers the source */
  long long wanted;
  long long sent;
  long long received;
  struct bench_start start;
};

struct bench_pingpong* bench_pingpong_create(void) {
  return skynet_calloc(1, sizeof(struct bench_pingpong));
}

void bench_pingpong_release(struct bench_pingpong* self) {
  skynet_free(self);
}

static void send_one(struct skynet_context* ctx, uint32_t destination) {
  static const char payload[PAYLOAD_BYTES] = "thirty-one bytes and a NUL byte";
  skynet_send(ctx, 0, destination, PTYPE_CLIENT, 0, (void*)(uintptr_t)payload, sizeof payload);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct bench_pingpong* self = ud;
  (void)session;
  (void)msg;
  if (type != PTYPE_CLIENT || sz != PAYLOAD_BYTES) return 0;
  if (self->peer == 0) {
    send_one(ctx, source);
    return 0;
  }
  ++self->received;
  if (self->received == self->wanted) {
    bench_report(ctx, "bench_pingpong", 2.0 * (double)self->received, self->start);
  } else if (self->sent < self->wanted) {
    ++self->sent;
    send_one(ctx, self->peer);
  }
  return 0;
}

int bench_pingpong_init(struct bench_pingpong* self, struct skynet_context* ctx, const char* parm) {
  int in_flight = 1;
  const char* peer;
  skynet_callback(ctx, self, on_message);
  if (parm != NULL && strcmp(parm, "peer") == 0) return 0;
  if (parm == NULL || sscanf(parm, "%lld %d", &self->wanted, &in_flight) < 1 ||
      self->wanted < in_flight || in_flight < 1) {
    skynet_error(ctx, "bench_pingpong: parameter must be MESSAGES [IN_FLIGHT]");
    return 1;
  }
  self->wanted /= 2; /* there and back are two */
  if (self->wanted < in_flight) self->wanted = in_flight;
  peer = skynet_command(ctx, "LAUNCH", "bench_pingpong peer");
  if (peer == NULL) return 1;
  self->peer = (uint32_t)strtoul(peer + 1, NULL, 16);
  self->start = bench_begin();
  for (self->sent = 0; self->sent < in_flight; ++self->sent) send_one(ctx, self->peer);
  return 0;
}
