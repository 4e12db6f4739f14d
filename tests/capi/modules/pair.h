/* A connected pair of sockets inside one service, for tests of what happens afterwards. Feed every
 * event to pair_on_event() until it returns 1; `server` is then accepted, but not started. */
#ifndef SKYLOOM_TESTS_PAIR_H
#define SKYLOOM_TESTS_PAIR_H

#include "check.h"

struct pair {
  int listener, client, server;
  int is_connected, is_complete;
};

static inline int pair_open(struct skynet_context* ctx, struct pair* pair) {
  memset(pair, 0, sizeof *pair);
  pair->listener = skynet_socket_listen(ctx, "127.0.0.1", 0, 16);
  return pair->listener > 0;
}

/* 1 once, when the pair is complete. Events that are not the pair's birth are left alone. */
static inline int pair_on_event(struct skynet_context* ctx, struct pair* pair,
                                const struct socket_event* event) {
  if (pair->is_complete) return 0;
  if (event->type == CONNECT && event->id == pair->listener && pair->client == 0) {
    skynet_socket_start(ctx, pair->listener);
    pair->client = skynet_socket_connect(ctx, "127.0.0.1", event->ud);
  } else if (event->type == CONNECT && event->id == pair->client) {
    pair->is_connected = 1;
  } else if (event->type == ACCEPT) {
    pair->server = event->ud;
  }
  pair->is_complete = pair->is_connected && pair->server != 0;
  return pair->is_complete;
}

static inline void pair_close(struct skynet_context* ctx, const struct pair* pair) {
  skynet_socket_close(ctx, pair->client);
  skynet_socket_close(ctx, pair->server);
  skynet_socket_close(ctx, pair->listener);
}

#endif
