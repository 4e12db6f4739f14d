/* The sockets of a service that is killed: its peers hear the end, its listener is gone.
 * `death_sockets owner PORT` is the victim: it connects to PORT and listens on a port too. */
#include "check.h"

struct test {
  int listener;             /* ours */
  int from_owner, to_owner; /* connections, each accepted by the other side */
  int owner_port;
  uint32_t owner;
  int connected, closed, refused;
  int retry; /* the id of the connect that is to be refused */
};

/* --- the victim --- */

struct owner {
  int own_listener, connection;
  uint32_t observer;
};

static int on_owner_message(struct skynet_context* ctx, void* ud, int type, int session,
                            uint32_t source, const void* msg, size_t sz) {
  struct owner* o = ud;
  const struct socket_event* event = msg;
  (void)session, (void)source, (void)sz;
  if (type != SOCKET) return 0;
  if (event->type == CONNECT && event->id == o->own_listener && event->ud > 0) {
    skynet_socket_start(ctx, o->own_listener);
    skynet_send(ctx, 0, o->observer, TEXT, event->ud, NULL, 0);
  }
  if (event->type == ACCEPT) skynet_socket_start(ctx, event->ud);
  if (event->type == DATA) free(event->buffer);
  return 0;
}

static int init_owner(struct owner* o, struct skynet_context* ctx, int port) {
  skynet_callback(ctx, o, on_owner_message);
  o->observer = skynet_queryname(ctx, ".observer");
  o->connection = skynet_socket_connect(ctx, "127.0.0.1", port);
  o->own_listener = skynet_socket_listen(ctx, "127.0.0.1", 0, 16);
  wait_for(ctx, 1000); /* a timer that it will not live to see */
  return o->connection > 0 && o->own_listener > 0 ? 0 : 1;
}

/* --- the observer --- */

static void kill_owner_when_ready(struct skynet_context* ctx, struct test* t) {
  /* Both: a connect that is still on its way would end by an ERROR alone. */
  if (t->connected < 2 || t->owner == 0) return;
  for (int i = 0; i < 100; ++i) {
    char* block = pattern(10000, 1);
    send_raw(ctx, t->from_owner, block, 10000);
    send_raw(ctx, t->to_owner, block, 10000);
    free(block);
  }
  kill_service(ctx, t->owner);
  t->owner = 0;
}

static void on_event(struct skynet_context* ctx, struct test* t, const struct socket_event* event) {
  char text[48];
  switch (event->type) {
    case CONNECT:
      if (event->id == t->listener && event->ud > 0) {
        skynet_socket_start(ctx, t->listener);
        snprintf(text, sizeof text, "death_sockets owner %d", event->ud);
        t->owner = launch(ctx, text);
      } else if (event->id == t->retry) {
        /* Its listener is closed by a command that may still be on its way: try once more. */
        skynet_socket_close(ctx, t->retry);
        t->retry = skynet_socket_connect(ctx, "127.0.0.1", t->owner_port);
      } else if (event->id == t->from_owner || event->id == t->to_owner) {
        ++t->connected;
        kill_owner_when_ready(ctx, t);
      }
      break;
    case ACCEPT:
      t->from_owner = event->ud;
      skynet_socket_start(ctx, event->ud);
      break;
    case CLOSE:
      if (event->id != t->from_owner && event->id != t->to_owner) break;
      skynet_socket_close(ctx, event->id);
      if (++t->closed == 2) t->retry = skynet_socket_connect(ctx, "127.0.0.1", t->owner_port);
      break;
    case SOCKET_ERROR:
      if (event->id == t->retry) ++t->refused;
      break;
    default: break;
  }
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  (void)source, (void)sz;
  if (is_deadline(ctx, type, session, t->closed)) return 0;
  if (type == TEXT) {
    t->owner_port = session;
    t->to_owner = skynet_socket_connect(ctx, "127.0.0.1", session);
  }
  if (type != SOCKET) return 0;
  const struct socket_event* event = msg;
  on_event(ctx, t, event);
  if (event->type == DATA) free(event->buffer);
  if (event->type == SOCKET_ERROR && t->refused == 1) {
    EXPECT("the peers of a dead service hear the end, once each", t->closed == 2);
    EXPECT("its listener is closed", 1);
    end_test(ctx);
  }
  return 0;
}

void* death_sockets_create(void) {
  return calloc(1, sizeof(struct test) + sizeof(struct owner));
}
void death_sockets_release(void* inst) {
  free(inst);
}

int death_sockets_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct test* t = inst;
  int port = 0;
  if (parm != NULL && sscanf(parm, "owner %d", &port) == 1) return init_owner(inst, ctx, port);
  skynet_command(ctx, "REG", ".observer");
  skynet_callback(ctx, t, on_message);
  start_deadline(ctx);
  t->listener = skynet_socket_listen(ctx, "127.0.0.1", 0, 16);
  return t->listener > 0 ? 0 : 1;
}
