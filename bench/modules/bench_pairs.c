/* Many pairs of services that exchange 32-byte messages, all at the same time; logs the cost of one
   message and ends the node. Parameter: "MESSAGES PAIRS". The pairs are the same module with "pair
   N" and "peer". */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_figures.h"
#include "skynet.h"
#include "skynet_malloc.h"

enum { PAYLOAD_BYTES = 32 };

struct bench_pairs {
  uint32_t peer;  /* of a pair; 0: answers */
  long long left; /* exchanges of this pair; of the first service: pairs that play */
  double messages;
  struct bench_start start;
};

struct bench_pairs* bench_pairs_create(void) {
  return skynet_calloc(1, sizeof(struct bench_pairs));
}

void bench_pairs_release(struct bench_pairs* self) {
  skynet_free(self);
}

static void send_one(struct skynet_context* ctx, uint32_t destination) {
  static const char payload[PAYLOAD_BYTES] = "thirty-one bytes and a NUL byte";
  skynet_send(ctx, 0, destination, PTYPE_CLIENT, 0, (void*)(uintptr_t)payload, sizeof payload);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct bench_pairs* self = ud;
  (void)session;
  (void)msg;
  (void)sz;
  if (type == PTYPE_RESPONSE && --self->left == 0) {
    bench_report(ctx, "bench_pairs", self->messages, self->start);
  }
  if (type != PTYPE_CLIENT) return 0;
  if (self->peer == 0) {
    send_one(ctx, source);
  } else if (--self->left > 0) {
    send_one(ctx, self->peer);
  } else {
    skynet_sendname(ctx, 0, ".bench_pairs", PTYPE_RESPONSE, 0, NULL, 0);
  }
  return 0;
}

/* 0 when it cannot be launched. */
static uint32_t launch(struct skynet_context* ctx, const char* what) {
  const char* launched = skynet_command(ctx, "LAUNCH", what);
  return launched == NULL ? 0 : (uint32_t)strtoul(launched + 1, NULL, 16);
}

static int begin_pair(struct bench_pairs* self, struct skynet_context* ctx) {
  self->peer = launch(ctx, "bench_pairs peer");
  if (self->peer == 0) return 1;
  send_one(ctx, self->peer);
  return 0;
}

int bench_pairs_init(struct bench_pairs* self, struct skynet_context* ctx, const char* parm) {
  char text[48];
  int pairs = 0;
  int i;
  long long messages = 0;
  skynet_callback(ctx, self, on_message);
  if (parm != NULL && strcmp(parm, "peer") == 0) return 0;
  if (parm != NULL && sscanf(parm, "pair %lld", &self->left) == 1) return begin_pair(self, ctx);
  if (parm == NULL || sscanf(parm, "%lld %d", &messages, &pairs) != 2 || pairs < 1 ||
      messages < 2LL * pairs) {
    skynet_error(ctx, "bench_pairs: parameter must be MESSAGES PAIRS");
    return 1;
  }
  if (skynet_command(ctx, "REG", ".bench_pairs") == NULL) return 1;
  snprintf(text, sizeof text, "bench_pairs pair %lld", messages / 2 / pairs);
  self->left = pairs;
  self->messages = (double)(messages / 2 / pairs) * 2 * pairs;
  self->start = bench_begin();
  for (i = 0; i < pairs; ++i) {
    if (launch(ctx, text) == 0) return 1;
  }
  return 0;
}
