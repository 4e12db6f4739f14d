/* A connection with both ends in one service, from listen to the last close, and who hears what. */
#include "check.h"

struct test {
  int listener, client, server;
  int port;
  int closes_of_listener, closes_of_client, closes_of_server;
  int last_wait;
  int is_connected;
};

static const struct socket_entry* entry_of(const struct socket_entry* list, int id) {
  while (list != NULL && list->id != id) list = list->next;
  return list;
}

static void look_at_list(struct skynet_context* ctx, const struct test* t) {
  char name[32];
  struct socket_entry* list = skynet_socket_info();
  const struct socket_entry* listener = entry_of(list, t->listener);
  const struct socket_entry* client = entry_of(list, t->client);
  snprintf(name, sizeof name, "127.0.0.1:%d", t->port);
  EXPECT("the list has the listener", listener && listener->type == LISTEN_ENTRY);
  EXPECT("with its address and accepted connections",
         listener && strcmp(listener->name, name) == 0 && listener->read == 1);
  EXPECT("the list has the connection", client && client->type == TCP_ENTRY);
  EXPECT("with its peer and owner",
         client && strcmp(client->name, name) == 0 && client->opaque == own_handle(ctx));
  EXPECT("with its bytes", client && client->read == 5 && client->write == 5 && !client->wbuffer);
  socket_info_release(list);
}

static void on_listener_connect(struct skynet_context* ctx, struct test* t, const char* text,
                                int ud) {
  if (t->port == 0) {
    EXPECT("listen is answered with the address", strcmp(text, "127.0.0.1") == 0);
    EXPECT("port 0 becomes a real port", ud > 0 && ud < 65536);
    t->port = ud;
    skynet_socket_nodelay(ctx, t->listener);
    skynet_socket_start(ctx, t->listener);
    return;
  }
  EXPECT("start of a listener is answered", strcmp(text, "start") == 0);
  t->client = skynet_socket_connect(ctx, "127.0.0.1", t->port);
  EXPECT("connect gives an id", t->client > 0 && t->client != t->listener);
  EXPECT("sending before the connection stands is legal",
         send_raw(ctx, t->client, "early", 5) == 0);
}

static void on_client_connect(struct skynet_context* ctx, struct test* t, const char* text) {
  if (!t->is_connected) {
    t->is_connected = 1;
    EXPECT("connect is answered with the peer's address", strcmp(text, "127.0.0.1") == 0);
    skynet_socket_nodelay(ctx, t->client);
    return;
  }
  EXPECT("start of a connected socket is a transfer", strcmp(text, "transfer") == 0);
  look_at_list(ctx, t);
  skynet_socket_close(ctx, t->client);
}

static void on_accept(struct skynet_context* ctx, struct test* t, const char* text, int ud) {
  struct send_buffer dropped = {ud, MEMORY, malloc(10), 10};
  char own[32];
  snprintf(own, sizeof own, "127.0.0.1:%d", t->port);
  EXPECT("an accepted connection has an id of its own", ud > 0 && ud != t->client);
  EXPECT("an accepted connection has its peer's address",
         strncmp(text, "127.0.0.1:", 10) == 0 && strcmp(text, own) != 0);
  t->server = ud;
  skynet_socket_sendbuffer(ctx, &dropped); /* silently, and freed */
  skynet_socket_start(ctx, ud);
}

static void on_data(struct skynet_context* ctx, struct test* t, const struct socket_event* event) {
  if (event->id == t->server) {
    struct send_buffer reply = {t->server, MEMORY, malloc(5), 5};
    EXPECT("early bytes arrive", event->ud == 5 && memcmp(event->buffer, "early", 5) == 0);
    memcpy((char*)(uintptr_t)reply.buffer, "reply", 5);
    EXPECT("a reply is accepted", skynet_socket_sendbuffer(ctx, &reply) == 0);
  } else {
    EXPECT("the reply arrives", event->ud == 5 && memcmp(event->buffer, "reply", 5) == 0);
    skynet_socket_start(ctx, t->client);
  }
  free(event->buffer);
}

static void on_close(struct skynet_context* ctx, struct test* t, int id) {
  struct send_buffer gone = {t->client, MEMORY, malloc(10), 10};
  if (id == t->client) ++t->closes_of_client;
  if (id == t->listener) ++t->closes_of_listener;
  if (id == t->client) {
    EXPECT("a closed id takes no more sends", skynet_socket_sendbuffer(ctx, &gone) == -1);
    return;
  }
  free((void*)(uintptr_t)gone.buffer);
  if (id != t->server) return;
  ++t->closes_of_server;
  EXPECT("after the peer's end sending is legal", send_raw(ctx, t->server, "late", 4) == 0);
  skynet_socket_start(ctx, t->server);
  skynet_socket_close(ctx, t->server);
  skynet_socket_close(ctx, t->server);
  skynet_socket_close(ctx, t->listener);
  skynet_socket_start(ctx, t->client);
  t->last_wait = wait_for(ctx, 20);
}

static void on_error(struct skynet_context* ctx, struct test* t, int id, const char* text) {
  if (id == t->server) {
    EXPECT("start after the peer's end is an error", strcmp(text, "socket closed") == 0);
  } else {
    EXPECT("start of a closed id is an error",
           id == t->client && strcmp(text, "invalid socket") == 0);
  }
}

static void on_event(struct skynet_context* ctx, struct test* t, const struct socket_event* event,
                     size_t sz) {
  const char* text = event_text(event, sz);
  switch (event->type) {
    case CONNECT:
      if (event->id == t->listener) on_listener_connect(ctx, t, text, event->ud);
      if (event->id == t->client) on_client_connect(ctx, t, text);
      if (event->id == t->server) EXPECT("start is answered", strcmp(text, "start") == 0);
      break;
    case ACCEPT: on_accept(ctx, t, text, event->ud); break;
    case DATA: on_data(ctx, t, event); break;
    case CLOSE: on_close(ctx, t, event->id); break;
    case SOCKET_ERROR: on_error(ctx, t, event->id, text); break;
    default: EXPECT("no other event comes", 0);
  }
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  if (is_deadline(ctx, type, session, t->closes_of_client)) return 0;
  if (type == SOCKET) {
    if (source != 0 || session != 0) EXPECT("events come from 0, without session", 0);
    on_event(ctx, t, msg, sz);
  } else if (session == t->last_wait) {
    EXPECT("every id has exactly one CLOSE",
           t->closes_of_client == 1 && t->closes_of_server == 1 && t->closes_of_listener == 1);
    EXPECT("no socket is left", skynet_socket_info() == NULL);
    end_test(ctx);
  }
  return 0;
}

void* tcp_create(void) {
  return calloc(1, sizeof(struct test));
}
void tcp_release(void* inst) {
  free(inst);
}

int tcp_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct test* t = inst;
  (void)parm;
  skynet_callback(ctx, t, on_message);
  start_deadline(ctx);
  t->listener = skynet_socket_listen(ctx, "127.0.0.1", 0, 16);
  EXPECT("listen gives an id", t->listener > 0);
  return t->listener > 0 ? 0 : 1;
}
