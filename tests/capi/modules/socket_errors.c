/* What cannot work says so: at once with -1, or with one ERROR that names the reason. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

enum { ASYNCHRONOUS = 5 };

struct test {
  int used, unused; /* descriptors: a port that somebody listens on, one that nobody does */
  int refused, unknown, unresolved, unbound[2];
  int errors;
  int last_wait;
};

/* A port of 127.0.0.1 that is ours; returns the descriptor that holds it. */
static int hold_port(int* port, int is_listening) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t bytes = sizeof address;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, (struct sockaddr*)&address, bytes) != 0) return -1;
  if (is_listening && listen(fd, 1) != 0) return -1;
  if (getsockname(fd, (struct sockaddr*)&address, &bytes) != 0) return -1;
  *port = ntohs(address.sin_port);
  return fd;
}

static void refused_at_once(struct skynet_context* ctx, int used_port) {
  char host[300];
  memset(host, 'a', sizeof host);
  host[sizeof host - 1] = '\0';
  EXPECT("a port in use is refused", skynet_socket_listen(ctx, "127.0.0.1", used_port, 1) == -1);
  EXPECT("a foreign address is refused", skynet_socket_listen(ctx, "192.0.2.1", 0, 1) == -1);
  EXPECT("a port is at most 65535", skynet_socket_listen(ctx, "127.0.0.1", 65536, 1) == -1);
  EXPECT("a port is not negative", skynet_socket_listen(ctx, "127.0.0.1", -1, 1) == -1);
  EXPECT("a host name has a limit", skynet_socket_connect(ctx, host, 80) == -1);
  EXPECT("also when listening", skynet_socket_listen(ctx, host, 80, 1) == -1);
  EXPECT("a UDP address must be one", skynet_socket_udp(ctx, "192.0.2.1", 5000) == -1);
}

/* No effect on anything. */
static void unknown_ids(struct skynet_context* ctx) {
  static const int ids[] = {-1, 0, 12345678, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof ids / sizeof *ids; ++i) {
    skynet_socket_close(ctx, ids[i]);
    skynet_socket_shutdown(ctx, ids[i]);
    skynet_socket_pause(ctx, ids[i]);
    skynet_socket_nodelay(ctx, ids[i]);
    EXPECT("no destination for an unknown id",
           skynet_socket_udp_connect(ctx, ids[i], "127.0.0.1", 5000) == -1);
  }
}

static void on_error(struct skynet_context* ctx, struct test* t, int id, const char* text) {
  ++t->errors;
  if (id == t->refused) {
    EXPECT("a refused connect names its reason", strcmp(text, "Connection refused") == 0);
  } else if (id == t->unknown) {
    EXPECT("start of an unknown id is an error", strcmp(text, "invalid socket") == 0);
  } else if (id == t->unbound[0] || id == t->unbound[1]) {
    EXPECT("a descriptor that is none is an error", strcmp(text, "Bad file descriptor") == 0);
  } else {
    EXPECT("a name without address is an error", id == t->unresolved && text[0] != '\0');
  }
  if (t->errors == ASYNCHRONOUS) t->last_wait = wait_for(ctx, 10);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  (void)source;
  if (is_deadline(ctx, type, session, t->errors)) return 0;
  if (type == SOCKET) {
    const struct socket_event* event = msg;
    EXPECT("only errors come", event->type == SOCKET_ERROR);
    on_error(ctx, t, event->id, event_text(event, sz));
  } else if (type == RESPONSE && session == t->last_wait) {
    EXPECT("each comes once", t->errors == ASYNCHRONOUS);
    EXPECT("no socket is left", skynet_socket_info() == NULL);
    close(t->used);
    close(t->unused);
    end_test(ctx);
  }
  return 0;
}

void* socket_errors_create(void) {
  return calloc(1, sizeof(struct test));
}
void socket_errors_release(void* inst) {
  free(inst);
}

int socket_errors_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct test* t = inst;
  int used_port = 0, unused_port = 0;
  (void)parm;
  skynet_callback(ctx, t, on_message);
  start_deadline(ctx);
  t->used = hold_port(&used_port, 1);
  t->unused = hold_port(&unused_port, 0);
  if (t->used < 0 || t->unused < 0) return 1;
  refused_at_once(ctx, used_port);
  unknown_ids(ctx);
  t->refused = skynet_socket_connect(ctx, "127.0.0.1", unused_port);
  t->unresolved = skynet_socket_connect(ctx, "no-such-host.invalid", 80);
  t->unknown = 4711;
  t->unbound[0] = skynet_socket_bind(ctx, -1);
  t->unbound[1] = skynet_socket_bind(ctx, 9999);
  for (int i = 0; i < 2; ++i) {
    if (t->unbound[i] == -1) ++t->errors; /* refused at once is as good */
  }
  skynet_socket_start(ctx, t->unknown);
  EXPECT("what fails later has an id", t->refused > 0 && t->unresolved > 0);
  return 0;
}
