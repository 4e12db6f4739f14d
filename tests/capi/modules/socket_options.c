/* Listening and connecting with options, and options of sockets that live. */
#include <limits.h>
#include <unistd.h>

#include "check.h"

/* As a prebuilt module knows them. */
struct listen_options {
  size_t size;
  const char* host;
  int port, backlog, reuse_port, v6_only, file_mode, proxy, proxy_optional, handshake_timeout;
  int nodelay, keepalive_idle, keepalive_interval, keepalive_count, user_timeout;
  int receive_buffer, send_buffer;
  int max_per_listener, max_per_ip, accept_rate, first_byte_timeout, idle_timeout, frame_timeout;
  int write_timeout, linger_timeout, frame_max, wbuffer_policy;
  int64_t wbuffer_max;
};
struct connect_options {
  size_t size;
  const char* host;
  int port, nodelay, keepalive_idle, keepalive_interval, keepalive_count, user_timeout;
  int receive_buffer, send_buffer;
};
int skyloom_socket_listen(struct skynet_context*, const void* options);
int skyloom_socket_connect(struct skynet_context*, const void* options);
int skyloom_socket_set_option(struct skynet_context*, int id, int option, int value);
enum { NODELAY = 1, KEEPALIVE, IDLE, INTERVAL, COUNT, USER_TIMEOUT, RECEIVE_BUFFER, SEND_BUFFER };
enum { PROXY_V1 = 1, PROXY_ANY = 3 };

#define HEADER "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"

struct test {
  int step;
  int tcp_listener, unix_listener, tcp_client, unix_client, tcp_server, unix_server, udp;
  int accepted, answered;
  char unix_host[108];
};

static struct listen_options listen_on(const char* host) {
  struct listen_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.host = host;
  return options;
}

static void refuses_bad_structs(struct skynet_context* ctx) {
  struct {
    struct listen_options known;
    int newer;
  } grown;
  memset(&grown, 0, sizeof grown); /* what lies behind `newer`, too */
  grown.known = listen_on("127.0.0.1");
  grown.newer = 1;
  struct listen_options options = listen_on("127.0.0.1");
  struct connect_options connect;
  memset(&connect, 0, sizeof connect);
  EXPECT("no options are refused", skyloom_socket_listen(ctx, NULL) == -1);
  options.size = 8;
  EXPECT("a struct without its fields is refused", skyloom_socket_listen(ctx, &options) == -1);
  grown.known.size = sizeof grown;
  EXPECT("what is not known is refused when it is asked for",
         skyloom_socket_listen(ctx, &grown) == -1);
  grown.newer = 0;
  const int id = skyloom_socket_listen(ctx, &grown);
  EXPECT("a longer struct that asks for nothing new is taken", id > 0);
  skynet_socket_shutdown(ctx, id);
  EXPECT("connect without a size is refused", skyloom_socket_connect(ctx, &connect) == -1);
  connect.size = sizeof connect;
  EXPECT("connect without a host is refused", skyloom_socket_connect(ctx, &connect) == -1);
}

static void refuses_bad_values(struct skynet_context* ctx) {
  static const struct {
    size_t field;
    int value;
  } bad[] = {
#define FIELD(name, value) {offsetof(struct listen_options, name), value}
      FIELD(port, -1),
      FIELD(port, 65536),
      FIELD(reuse_port, 2),
      FIELD(v6_only, -1),
      FIELD(file_mode, 01000),
      FIELD(proxy, 4),
      FIELD(proxy, -1),
      FIELD(proxy_optional, 2),
      FIELD(handshake_timeout, -1),
      FIELD(nodelay, 2),
      FIELD(keepalive_idle, 32768),
      FIELD(keepalive_interval, -1),
      FIELD(keepalive_count, 128),
      FIELD(user_timeout, -1),
      FIELD(receive_buffer, -1),
      FIELD(send_buffer, INT_MIN),
      FIELD(max_per_listener, -2),
      FIELD(max_per_ip, -2),
      FIELD(accept_rate, -2),
      FIELD(first_byte_timeout, -2),
      FIELD(idle_timeout, -2),
      FIELD(frame_timeout, -2),
      FIELD(write_timeout, -2),
      FIELD(linger_timeout, -2),
      FIELD(frame_max, -2),
      FIELD(wbuffer_policy, -1),
      FIELD(wbuffer_policy, 4),
#undef FIELD
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
    struct listen_options options = listen_on("127.0.0.1");
    memcpy((char*)&options + bad[i].field, &bad[i].value, sizeof(int));
    EXPECT("a value outside its range is refused", skyloom_socket_listen(ctx, &options) == -1);
  }
}

static void judges_live_options(struct skynet_context* ctx, int id) {
  EXPECT("an option in its range is taken",
         skyloom_socket_set_option(ctx, id, NODELAY, 1) == 0 &&
             skyloom_socket_set_option(ctx, id, KEEPALIVE, 0) == 0 &&
             skyloom_socket_set_option(ctx, id, IDLE, 32767) == 0 &&
             skyloom_socket_set_option(ctx, id, INTERVAL, 1) == 0 &&
             skyloom_socket_set_option(ctx, id, COUNT, 127) == 0 &&
             skyloom_socket_set_option(ctx, id, USER_TIMEOUT, 0) == 0 &&
             skyloom_socket_set_option(ctx, id, RECEIVE_BUFFER, 65536) == 0 &&
             skyloom_socket_set_option(ctx, id, SEND_BUFFER, 1) == 0);
  EXPECT("one outside is not", skyloom_socket_set_option(ctx, id, NODELAY, 2) == -1 &&
                                   skyloom_socket_set_option(ctx, id, IDLE, 0) == -1 &&
                                   skyloom_socket_set_option(ctx, id, COUNT, 128) == -1 &&
                                   skyloom_socket_set_option(ctx, id, USER_TIMEOUT, -1) == -1 &&
                                   skyloom_socket_set_option(ctx, id, SEND_BUFFER, 0) == -1);
  EXPECT("an unknown option is not", skyloom_socket_set_option(ctx, id, 0, 1) == -1 &&
                                         skyloom_socket_set_option(ctx, id, 9, 1) == -1);
}

static int begin(struct skynet_context* ctx, struct test* t) {
  struct listen_options tcp = listen_on("127.0.0.1");
  struct listen_options local = listen_on(t->unix_host);
  tcp.proxy = PROXY_ANY;
  tcp.nodelay = 1;
  tcp.keepalive_idle = 60;
  local.file_mode = 0600;
  snprintf(t->unix_host, sizeof t->unix_host, "unix:/tmp/skyloom_options_%d", (int)getpid());
  t->tcp_listener = skyloom_socket_listen(ctx, &tcp);
  t->unix_listener = skyloom_socket_listen(ctx, &local);
  t->udp = skynet_socket_udp(ctx, NULL, 0);
  EXPECT("listen gives ids", t->tcp_listener > 0 && t->unix_listener > 0);
  EXPECT("a path in use is refused", skyloom_socket_listen(ctx, &local) == -1);
  EXPECT(
      "a path that is too long is refused",
      skynet_socket_listen(ctx,
                           "unix:/ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
                           "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp",
                           0, 0) == -1);
  judges_live_options(ctx, t->udp); /* and a datagram socket ignores most of them */
  judges_live_options(ctx, 0x7fffffff);
  return t->tcp_listener > 0 && t->unix_listener > 0;
}

static void on_connect(struct skynet_context* ctx, struct test* t, int id, const char* text,
                       int ud) {
  struct connect_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  if (strcmp(text, "start") == 0) return;
  if (id == t->tcp_listener) {
    skynet_socket_start(ctx, id);
    options.host = "127.0.0.1";
    options.port = ud;
    options.nodelay = 1;
    options.user_timeout = 5000;
    t->tcp_client = skyloom_socket_connect(ctx, &options);
    EXPECT("connect gives an id", t->tcp_client > 0);
    send_raw(ctx, t->tcp_client, HEADER "hello", strlen(HEADER "hello"));
  }
  if (id == t->unix_listener) {
    EXPECT("a unix listener tells its path and no port",
           strcmp(text, t->unix_host) == 0 && ud == 0);
    skynet_socket_start(ctx, id);
    t->unix_client = skynet_socket_connect(ctx, t->unix_host, 0);
    EXPECT("the older connect knows paths, too", t->unix_client > 0);
    judges_live_options(ctx, t->unix_client);
    send_raw(ctx, t->unix_client, "hello", 5);
  }
  if (id == t->unix_client) EXPECT("connect tells the path", strcmp(text, t->unix_host) == 0);
}

static void on_accept(struct skynet_context* ctx, struct test* t, int listener, int id,
                      const char* text) {
  if (listener == t->tcp_listener) {
    EXPECT("a client behind a proxy has its own address", strcmp(text, "192.0.2.1:56324") == 0);
    t->tcp_server = id;
  } else if (t->unix_server == 0) {
    EXPECT("a unix client has no address", strcmp(text, "unix:") == 0);
    t->unix_server = id;
  }
  skynet_socket_start(ctx, id);
}

static void look_at_list(struct skynet_context* ctx, const struct test* t) {
  int named = 0;
  struct socket_entry* list = skynet_socket_info();
  for (const struct socket_entry* entry = list; entry != NULL; entry = entry->next) {
    if (entry->id == t->unix_listener) named += strcmp(entry->name, t->unix_host) == 0;
    if (entry->id == t->unix_client) named += strcmp(entry->name, t->unix_host) == 0;
    if (entry->id == t->tcp_server) named += strcmp(entry->name, "192.0.2.1:56324") == 0;
  }
  EXPECT("the list has paths and announced addresses", named == 3);
  socket_info_release(list);
}

static void on_data(struct skynet_context* ctx, struct test* t, const struct socket_event* event) {
  EXPECT("the header is no data, what follows it is",
         event->ud == 5 && memcmp(event->buffer, "hello", 5) == 0);
  free(event->buffer);
  if (++t->answered < 2) return;
  look_at_list(ctx, t);
  skynet_socket_shutdown(ctx, t->tcp_listener);
  skynet_socket_shutdown(ctx, t->unix_listener);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  const struct socket_event* event = msg;
  (void)source;
  if (is_deadline(ctx, type, session, t->answered)) return 0;
  if (type != SOCKET) return 0;
  const char* text = event_text(event, sz);
  switch (event->type) {
    case CONNECT: on_connect(ctx, t, event->id, text, event->ud); break;
    case ACCEPT: on_accept(ctx, t, event->id, event->ud, text); break;
    case DATA: on_data(ctx, t, event); break;
    case CLOSE:
      if (event->id == t->unix_listener) end_test(ctx);
      break;
    default: EXPECT("no error comes", 0);
  }
  return 0;
}

void* socket_options_create(void) {
  return calloc(1, sizeof(struct test));
}
void socket_options_release(void* inst) {
  free(inst);
}
int socket_options_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)parm;
  skynet_callback(ctx, inst, on_message);
  start_deadline(ctx);
  refuses_bad_structs(ctx);
  refuses_bad_values(ctx);
  return begin(ctx, inst) ? 0 : 1;
}
