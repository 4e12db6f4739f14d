/* An echo service, and services beside it that compute for so long at a time.
   Parameter: "HOST:PORT SERVICES MILLISECONDS". The busy ones are the same module with "busy N":
   each computes, sends itself a message and begins again when that comes. */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_figures.h"
#include "skynet.h"
#include "skynet_malloc.h"

struct bench_busy {
  int milliseconds;
};

struct bench_busy* bench_busy_create(void) {
  return skynet_calloc(1, sizeof(struct bench_busy));
}

void bench_busy_release(struct bench_busy* self) {
  skynet_free(self);
}

/* Of the thread's own time: a worker that has lost its core computes on afterwards. */
static void compute(int milliseconds) {
  const double end = bench_nanos(CLOCK_THREAD_CPUTIME_ID) + milliseconds * 1e6;
  while (bench_nanos(CLOCK_THREAD_CPUTIME_ID) < end) continue;
}

static void begin_again(struct skynet_context* ctx) {
  const char* own = skynet_command(ctx, "REG", NULL);
  if (own == NULL) return;
  skynet_send(ctx, 0, (uint32_t)strtoul(own + 1, NULL, 16), PTYPE_CLIENT, 0, NULL, 0);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  const struct bench_busy* self = ud;
  (void)session;
  (void)source;
  (void)msg;
  (void)sz;
  if (type != PTYPE_CLIENT) return 0;
  compute(self->milliseconds);
  begin_again(ctx);
  return 0;
}

int bench_busy_init(struct bench_busy* self, struct skynet_context* ctx, const char* parm) {
  char address[64] = "";
  char text[96];
  int services = 0;
  int i;
  skynet_callback(ctx, self, on_message);
  if (parm != NULL && sscanf(parm, "busy %d", &self->milliseconds) == 1) {
    begin_again(ctx);
    return 0;
  }
  if (parm == NULL || sscanf(parm, "%63s %d %d", address, &services, &self->milliseconds) != 3) {
    skynet_error(ctx, "bench_busy: parameter must be HOST:PORT SERVICES MILLISECONDS");
    return 1;
  }
  snprintf(text, sizeof text, "bench_echo %s", address);
  if (skynet_command(ctx, "LAUNCH", text) == NULL) return 1;
  snprintf(text, sizeof text, "bench_busy busy %d", self->milliseconds);
  for (i = 0; i < services; ++i) {
    if (skynet_command(ctx, "LAUNCH", text) == NULL) return 1;
  }
  return 0;
}
