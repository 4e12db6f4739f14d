/* Two services that exchange 32-byte messages; logs the cost of one message and ends the node.
   Parameter: "MESSAGES [IN_FLIGHT]". The second service is the same module with "peer". */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "skynet.h"
#include "skynet_malloc.h"

enum { PAYLOAD_BYTES = 32 };

struct bench_pingpong {
  uint32_t peer; /* 0: this is the peer, which answers the source */
  long long wanted;
  long long sent;
  long long received;
  double wall_started;
  double cpu_started;
};

struct bench_pingpong* bench_pingpong_create(void) {
  return skynet_calloc(1, sizeof(struct bench_pingpong));
}

void bench_pingpong_release(struct bench_pingpong* self) {
  skynet_free(self);
}

static double nanos(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void send_one(struct skynet_context* ctx, uint32_t destination) {
  static const char payload[PAYLOAD_BYTES] = "thirty-one bytes and a NUL byte";
  skynet_send(ctx, 0, destination, PTYPE_CLIENT, 0, (void*)(uintptr_t)payload, sizeof payload);
}

static void report(const struct bench_pingpong* self, struct skynet_context* ctx) {
  const double messages = 2.0 * (double)self->received;
  skynet_error(ctx, "bench_pingpong: %.0f messages, %.2f ns wall, %.2f ns cpu per message",
               messages, (nanos(CLOCK_MONOTONIC) - self->wall_started) / messages,
               (nanos(CLOCK_PROCESS_CPUTIME_ID) - self->cpu_started) / messages);
  skynet_command(ctx, "ABORT", NULL);
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
    report(self, ctx);
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
  self->wall_started = nanos(CLOCK_MONOTONIC);
  self->cpu_started = nanos(CLOCK_PROCESS_CPUTIME_ID);
  for (self->sent = 0; self->sent < in_flight; ++self->sent) send_one(ctx, self->peer);
  return 0;
}
