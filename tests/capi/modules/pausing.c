/* pause stops reading, not writing; start by another service hands the socket over.
 * `pausing taker` is that service. */
#include "pair.h"

enum { TAKE = 1, TOOK = 2 };

struct test {
  struct pair pair;
  int pause_wait, data_wait;
  int is_paused, is_given;
  int data;
};

static void give(struct skynet_context* ctx, struct test* t) {
  t->is_given = 1;
  const uint32_t taker = launch(ctx, "pausing taker");
  skynet_send(ctx, 0, taker, TEXT, TAKE, &t->pair.server, sizeof t->pair.server);
}

static void on_event(struct skynet_context* ctx, struct test* t, const struct socket_event* event,
                     size_t sz) {
  if (pair_on_event(ctx, &t->pair, event)) skynet_socket_start(ctx, t->pair.server);
  if (event->type == CONNECT && event->id == t->pair.server && !t->is_paused) {
    t->is_paused = 1;
    skynet_socket_pause(ctx, t->pair.server);
    t->pause_wait = wait_for(ctx, 10);
  } else if (event->type == CONNECT && event->id == t->pair.server) {
    EXPECT("resuming is answered", strcmp(event_text(event, sz), "transfer") == 0);
  }
  if (event->type == DATA && event->id == t->pair.client) {
    EXPECT("a paused socket can be written to", event->ud == 4 && !t->data);
    t->data_wait = wait_for(ctx, 20);
  } else if (event->type == DATA) {
    EXPECT("what came meanwhile arrives after resuming",
           t->data == 1 && event->ud == 6 && memcmp(event->buffer, "paused", 6) == 0);
    give(ctx, t);
  }
  if (event->type == DATA) free(event->buffer);
  if (event->type == CLOSE && event->id == t->pair.server) {
    EXPECT("the old owner hears no more", 0);
  }
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  (void)source;
  if (is_deadline(ctx, type, session, t->data)) return 0;
  if (type == SOCKET) {
    on_event(ctx, t, msg, sz);
  } else if (type == RESPONSE && session == t->pause_wait) {
    send_raw(ctx, t->pair.client, "paused", 6);
    send_raw(ctx, t->pair.server, "hear", 4);
  } else if (type == RESPONSE && session == t->data_wait) {
    t->data = 1; /* it would have come by now */
    skynet_socket_start(ctx, t->pair.server);
  } else if (type == TEXT && session == TOOK) {
    EXPECT("the taker had its bytes and the end", 1);
    end_test(ctx);
  } else if (type == TEXT && session == TAKE) { /* it has started the socket; now it gets bytes */
    send_raw(ctx, t->pair.client, "for the taker", 13);
    skynet_socket_close(ctx, t->pair.client);
  }
  return 0;
}

static int on_taker_message(struct skynet_context* ctx, void* ud, int type, int session,
                            uint32_t source, const void* msg, size_t sz) {
  static uint32_t giver;
  (void)ud;
  if (type == TEXT && session == TAKE) {
    int id = 0;
    memcpy(&id, msg, sizeof id);
    giver = source;
    skynet_socket_start(ctx, id);
    return 0;
  }
  if (type != SOCKET) return 0;
  const struct socket_event* event = msg;
  if (event->type == CONNECT) {
    EXPECT("a taker is answered", strcmp(event_text(event, sz), "transfer") == 0);
    skynet_send(ctx, 0, giver, TEXT, TAKE, NULL, 0);
  }
  if (event->type == DATA) {
    EXPECT("the taker gets the bytes",
           event->ud == 13 && memcmp(event->buffer, "for the taker", 13) == 0);
    free(event->buffer);
  }
  if (event->type == CLOSE) {
    skynet_socket_close(ctx, event->id);
    skynet_send(ctx, 0, giver, TEXT, TOOK, NULL, 0);
  }
  return 0;
}

void* pausing_create(void) {
  return calloc(1, sizeof(struct test));
}
void pausing_release(void* inst) {
  free(inst);
}

int pausing_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct test* t = inst;
  if (parm != NULL && strcmp(parm, "taker") == 0) {
    skynet_callback(ctx, t, on_taker_message);
    return 0;
  }
  skynet_callback(ctx, t, on_message);
  start_deadline(ctx);
  return pair_open(ctx, &t->pair) ? 0 : 1;
}
