/* A ring of services that pass 32-byte messages on; logs the cost of one message and ends the node.
   Parameter: "MESSAGES SERVICES IN_FLIGHT". Each of the messages in flight starts at a place of its
   own, so that one after the other all services are touched. */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_figures.h"
#include "skynet.h"
#include "skynet_malloc.h"

enum { PAYLOAD_BYTES = 32 };
#define PAUSE "50" /* centiseconds: until the log has told of all the launches */

struct bench_ring {
  uint32_t next;
  /* Of the first service: */
  uint32_t* places;
  int services;
  int in_flight;
  int landed; /* messages that have made their last step */
  long long steps;
  struct bench_start start;
};

/* What travels: how many steps are left, padded. */
struct payload {
  long long left;
  char rest[PAYLOAD_BYTES - sizeof(long long)];
};

struct bench_ring* bench_ring_create(void) {
  return skynet_calloc(1, sizeof(struct bench_ring));
}

void bench_ring_release(struct bench_ring* self) {
  skynet_free(self->places);
  skynet_free(self);
}

static void send_steps(struct skynet_context* ctx, uint32_t to, long long left) {
  struct payload payload = {0};
  payload.left = left;
  skynet_send(ctx, 0, to, PTYPE_CLIENT, 0, &payload, sizeof payload);
}

static void land(struct bench_ring* self, struct skynet_context* ctx) {
  if (++self->landed < self->in_flight) return;
  bench_report(ctx, "bench_ring", (double)self->steps * self->in_flight, self->start);
}

static void begin(struct bench_ring* self, struct skynet_context* ctx) {
  int i;
  self->start = bench_begin();
  for (i = 0; i < self->in_flight; ++i) {
    const long long place = (long long)self->services * i / self->in_flight;
    send_steps(ctx, self->places[place], self->steps);
  }
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct bench_ring* self = ud;
  struct payload payload;
  (void)session;
  (void)source;
  if (type == PTYPE_TEXT && sz == sizeof self->next) memcpy(&self->next, msg, sizeof self->next);
  if (type == PTYPE_RESPONSE && self->start.wall == 0) {
    begin(self, ctx);
  } else if (type == PTYPE_RESPONSE) {
    land(self, ctx);
  }
  if (type != PTYPE_CLIENT || sz != sizeof payload) return 0;
  memcpy(&payload, msg, sizeof payload);
  if (payload.left > 1) {
    send_steps(ctx, self->next, payload.left - 1);
  } else {
    /* The first service counts; its handle is what the name says. */
    skynet_sendname(ctx, 0, ".bench_ring", PTYPE_RESPONSE, 0, NULL, 0);
  }
  return 0;
}

static int launch_ring(struct bench_ring* self, struct skynet_context* ctx) {
  int i;
  const char* own = skynet_command(ctx, "REG", NULL);
  self->places = skynet_calloc((size_t)self->services, sizeof *self->places);
  if (own == NULL || self->places == NULL) return 1;
  self->places[0] = (uint32_t)strtoul(own + 1, NULL, 16);
  for (i = 1; i < self->services; ++i) {
    const char* launched = skynet_command(ctx, "LAUNCH", "bench_ring member");
    if (launched == NULL) return 1;
    self->places[i] = (uint32_t)strtoul(launched + 1, NULL, 16);
  }
  for (i = 1; i < self->services; ++i) {
    skynet_send(ctx, 0, self->places[i], PTYPE_TEXT, 0, &self->places[(i + 1) % self->services],
                sizeof self->next);
  }
  self->next = self->places[1 % self->services];
  return 0;
}

int bench_ring_init(struct bench_ring* self, struct skynet_context* ctx, const char* parm) {
  long long messages = 0;
  skynet_callback(ctx, self, on_message);
  if (parm != NULL && strcmp(parm, "member") == 0) return 0;
  if (parm == NULL ||
      sscanf(parm, "%lld %d %d", &messages, &self->services, &self->in_flight) != 3 ||
      self->services < 1 || self->in_flight < 1 || messages < self->in_flight) {
    skynet_error(ctx, "bench_ring: parameter must be MESSAGES SERVICES IN_FLIGHT");
    return 1;
  }
  if (skynet_command(ctx, "REG", ".bench_ring") == NULL || launch_ring(self, ctx) != 0) return 1;
  self->steps = messages / self->in_flight;
  return skynet_command(ctx, "TIMEOUT", PAUSE) == NULL;
}
