/* A peer that does not read: warnings at 1 MiB and each doubling, one with 0 when all has left. */
#include "pair.h"

enum { CHUNK = 64 << 10, CHUNKS = 256 };
static const size_t kAll = (size_t)CHUNK * CHUNKS; /* more than any socket buffer of the system */

struct test {
  struct pair pair;
  int warnings;
  int last_kib;
  size_t received;
};

static void send_all(struct skynet_context* ctx, struct test* t) {
  char* block = pattern(CHUNK, 5);
  int accepted = 1;
  for (int i = 0; i < CHUNKS; ++i) accepted &= send_raw(ctx, t->pair.client, block, CHUNK) == 0;
  EXPECT("all is accepted", accepted);
  free(block);
}

static void on_warning(struct skynet_context* ctx, struct test* t, int id, int kib) {
  EXPECT("the sender is warned", id == t->pair.client);
  if (kib > 0) {
    EXPECT("a warning comes at 1 MiB and with each doubling", kib >= 1024 && kib > t->last_kib);
    t->last_kib = kib;
    if (++t->warnings == 1) skynet_socket_start(ctx, t->pair.server);
    return;
  }
  EXPECT("the last warning is a 0", t->warnings > 0);
  t->warnings = -1;
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  const struct socket_event* event = msg;
  (void)source, (void)sz;
  if (is_deadline(ctx, type, session, (int)(t->received >> 10))) return 0;
  if (type != SOCKET) return 0;
  if (pair_on_event(ctx, &t->pair, event)) send_all(ctx, t);
  if (event->type == WARNING) on_warning(ctx, t, event->id, event->ud);
  if (event->type == DATA) {
    t->received += (size_t)event->ud;
    free(event->buffer);
  }
  if (t->received == kAll && t->warnings == -1) {
    t->warnings = -2;
    EXPECT("every byte arrives", 1);
    end_test(ctx);
  }
  return 0;
}

void* warning_create(void) {
  return calloc(1, sizeof(struct test));
}
void warning_release(void* inst) {
  free(inst);
}

int warning_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct test* t = inst;
  (void)parm;
  skynet_callback(ctx, t, on_message);
  start_deadline(ctx);
  return pair_open(ctx, &t->pair) ? 0 : 1;
}
