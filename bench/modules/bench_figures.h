/* What the modules that measure themselves share: the clocks, and the line with the figures, after
   which the node ends. */
#pragma once

#include <time.h>

#include "skynet.h"

struct bench_start {
  double wall;
  double cpu;
};

static inline double bench_nanos(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline struct bench_start bench_begin(void) {
  const struct bench_start start = {bench_nanos(CLOCK_MONOTONIC),
                                    bench_nanos(CLOCK_PROCESS_CPUTIME_ID)};
  return start;
}

/* "NAME: N messages, X ns wall, Y ns cpu per message", which bench/run looks for. */
static inline void bench_report(struct skynet_context* ctx, const char* name, double messages,
                                struct bench_start start) {
  skynet_error(ctx, "%s: %.0f messages, %.2f ns wall, %.2f ns cpu per message", name, messages,
               (bench_nanos(CLOCK_MONOTONIC) - start.wall) / messages,
               (bench_nanos(CLOCK_PROCESS_CPUTIME_ID) - start.cpu) / messages);
  skynet_command(ctx, "ABORT", NULL);
}
