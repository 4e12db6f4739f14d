/* Starts and fires timers while others wait; logs the cost of one and ends the node.
   Parameter: "TIMERS WAITING". The waiting ones are spread over a day. Those that are measured are
   started a thousand at a time, due in 10 ms. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>

#include "bench_figures.h"
#include "skynet.h"
#include "skynet_malloc.h"

enum { AT_ONCE = 1000, CENTISECONDS_A_DAY = 8640000, LATER = 60 * 100 };

struct bench_timers {
  int wanted;
  int fired;
  struct bench_start start;
};

struct bench_timers* bench_timers_create(void) {
  return skynet_calloc(1, sizeof(struct bench_timers));
}

void bench_timers_release(struct bench_timers* self) {
  skynet_free(self);
}

static void start_some(struct skynet_context* ctx) {
  int i;
  for (i = 0; i < AT_ONCE; ++i) skynet_command(ctx, "TIMEOUT", "1");
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct bench_timers* self = ud;
  (void)session;
  (void)source;
  (void)msg;
  (void)sz;
  if (type != PTYPE_RESPONSE) return 0;
  ++self->fired;
  if (self->fired == self->wanted) {
    bench_report(ctx, "bench_timers", self->wanted, self->start);
  } else if (self->fired % AT_ONCE == 0) {
    start_some(ctx);
  }
  return 0;
}

int bench_timers_init(struct bench_timers* self, struct skynet_context* ctx, const char* parm) {
  int waiting = 0;
  int i;
  char text[16];
  struct bench_start arming;
  skynet_callback(ctx, self, on_message);
  if (parm == NULL || sscanf(parm, "%d %d", &self->wanted, &waiting) != 2 ||
      self->wanted % AT_ONCE != 0 || self->wanted < AT_ONCE || waiting < 1) {
    skynet_error(ctx, "bench_timers: parameter must be TIMERS (thousands) WAITING");
    return 1;
  }
  arming = bench_begin();
  for (i = 0; i < waiting; ++i) {
    /* Multiples of a large prime: in no order, and all over the day. */
    snprintf(text, sizeof text, "%d", LATER + (int)(i * 7919LL % CENTISECONDS_A_DAY));
    if (skynet_command(ctx, "TIMEOUT", text) == NULL) return 1;
  }
  self->start = bench_begin();
  skynet_error(ctx, "bench_timers: armed in %.2f ns each",
               (self->start.cpu - arming.cpu) / waiting);
  start_some(ctx);
  return 0;
}
