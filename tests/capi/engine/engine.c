#include "engine.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>

enum { TESTS_MAX = 400, DEADLINE_S = 40, QUIET_ROUNDS = 4 };

struct test {
  const char* name;
  void (*body)(void);
};
static struct test tests[TESTS_MAX];
static int test_count = 0;
struct socket_server* server;

void add_test(const char* name, void (*body)(void)) {
  if (test_count == TESTS_MAX) abort();
  tests[test_count++] = (struct test){name, body};
}

void fail_at(const char* file, int line, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s:%d: ", file, line);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  fflush(NULL);
  _exit(1);
}

void check_equal(const char* file, int line, const char* what_a, long long a, const char* what_b,
                 long long b) {
  if (a != b) fail_at(file, line, "%s is %lld, %s is %lld", what_a, a, what_b, b);
}
void check_text(const char* file, int line, const char* what, const char* text,
                const char* wanted) {
  if (text == NULL || strcmp(text, wanted) != 0)
    fail_at(file, line, "%s is \"%s\", not \"%s\"", what, text ? text : "(null)", wanted);
}

/* --- events --- */

static const char* const kEventNames[] = {"DATA", "CLOSE", "OPEN", "ACCEPT",
                                          "ERR",  "EXIT",  "UDP",  "WARNING"};

static const char* name_of(int type) {
  return type >= SOCKET_DATA && type <= SOCKET_WARNING ? kEventNames[type] : "of no known type";
}

struct event next_event(void) {
  struct socket_message message;
  struct event event;
  memset(&event, 0, sizeof event);
  memset(&message, 0x5a, sizeof message); /* whatever poll leaves alone is seen */
  event.more = 1;
  event.type = socket_server_poll(server, &message, &event.more);
  event.id = message.id;
  event.opaque = message.opaque;
  event.ud = message.ud;
  switch (event.type) {
    case SOCKET_DATA:
    case SOCKET_UDP:
      event.data = message.data;
      if (event.data == NULL) FAIL("event %s without a block", name_of(event.type));
      break;
    case SOCKET_OPEN:
    case SOCKET_ACCEPT:
    case SOCKET_ERR:
      event.has_text = message.data != NULL;
      if (event.has_text) snprintf(event.text, sizeof event.text, "%s", message.data);
      break;
    case SOCKET_CLOSE:
    case SOCKET_EXIT:
    case SOCKET_WARNING:
      if (message.data != NULL) FAIL("event %s has data", name_of(event.type));
      break;
    default: FAIL("poll returns %d", event.type);
  }
  return event;
}

void free_event(struct event* event) {
  skynet_free(event->data);
  event->data = NULL;
}

struct event expect_event(const char* file, int line, int type, int id, uintptr_t opaque, int ud,
                          const char* text) {
  const struct event event = next_event();
  const int is_wanted = event.type == type && event.id == id && event.opaque == opaque &&
                        (ud == UD_ANY || event.ud == ud) &&
                        (text == NULL || (event.has_text && strcmp(event.text, text) == 0));
  if (!is_wanted)
    fail_at(
        file, line,
        "wanted: %s of %d for %d, ud %d, text \"%s\"; came: %s of %d for %d, ud %d, text \"%s\"",
        name_of(type), id, (int)opaque, ud, text ? text : "", name_of(event.type), event.id,
        (int)event.opaque, event.ud, event.text);
  return event;
}

void expect_data(const char* file, int line, int id, uintptr_t opaque, const char* bytes,
                 size_t size) {
  for (size_t have = 0; have < size;) {
    struct event event = expect_event(file, line, SOCKET_DATA, id, opaque, UD_ANY, NULL);
    const size_t got = (size_t)event.ud;
    if (event.ud <= 0 || got > size - have || memcmp(event.data, bytes + have, got) != 0)
      fail_at(file, line, "other bytes came than were sent: \"%.*s\"", event.ud, event.data);
    have += got;
    free_event(&event);
  }
}

/* An answer that needs no socket: it passes the engine's commands and waits behind its events. */
void wake_engine(void) {
  socket_server_start(server, ASKER, NO_SUCH_ID);
}

static int is_wake_up(const struct event* event) {
  return event->type == SOCKET_ERR && event->id == NO_SUCH_ID && event->opaque == ASKER;
}

static void refuse(const char* file, int line, const struct event* event) {
  fail_at(file, line, "no event was wanted; came: %s of %d for %d, ud %d, text \"%s\"",
          name_of(event->type), event->id, (int)event->opaque, event->ud, event->text);
}

void expect_quiet(const char* file, int line) {
  for (int round = 0; round < QUIET_ROUNDS; ++round) {
    wake_engine();
    const struct event event = next_event();
    if (!is_wake_up(&event)) refuse(file, line, &event);
  }
}

void run_until(const char* file, int line, atomic_int* flag) {
  do {
    const struct event event = next_event();
    if (!is_wake_up(&event)) refuse(file, line, &event);
  } while (!atomic_load(flag));
}

/* --- sockets of the engine --- */

int open_listener(uintptr_t opaque, int* port) {
  const int id = socket_server_listen(server, opaque, "127.0.0.1", 0, 64);
  CHECK(id > 0);
  const struct event opened = EXPECT_EVENT(SOCKET_OPEN, id, opaque, UD_ANY, "127.0.0.1");
  *port = opened.ud;
  socket_server_start(server, opaque, id);
  EXPECT_EVENT(SOCKET_OPEN, id, opaque, 0, "start");
  return id;
}

int open_accepted(uintptr_t opaque, int* listener, int* peer) {
  int port = 0;
  *listener = open_listener(opaque, &port);
  *peer = peer_connect(port);
  const struct event accepted = EXPECT_EVENT(SOCKET_ACCEPT, *listener, opaque, UD_ANY, NULL);
  CHECK(accepted.ud > 0);
  return accepted.ud;
}

int open_pair(uintptr_t opaque, int* peer) {
  int listener = 0;
  const int id = open_accepted(opaque, &listener, peer);
  socket_server_start(server, opaque, id);
  EXPECT_EVENT(SOCKET_OPEN, id, opaque, 0, "start");
  socket_server_close(server, opaque, listener);
  EXPECT_EVENT(SOCKET_CLOSE, listener, opaque, 0, NULL);
  return id;
}

struct socket_info find_entry(int id) {
  struct socket_info found;
  memset(&found, 0, sizeof found);
  struct socket_info* list = socket_server_info(server);
  for (struct socket_info* entry = list; entry != NULL; entry = entry->next) {
    if (entry->id != id) continue;
    if (found.id != 0) FAIL("socket %d is listed twice", id);
    found = *entry;
  }
  socket_info_release(list);
  found.next = NULL;
  return found;
}

static struct socket_sendbuffer buffer_of(int id, int kind, const void* buffer, size_t size) {
  struct socket_sendbuffer send;
  send.id = id;
  send.type = kind;
  send.buffer = buffer;
  send.sz = size;
  return send;
}
int send_kind(int id, int kind, const void* buffer, size_t size) {
  struct socket_sendbuffer send = buffer_of(id, kind, buffer, size);
  return socket_server_send(server, &send);
}
int send_low(int id, int kind, const void* buffer, size_t size) {
  struct socket_sendbuffer send = buffer_of(id, kind, buffer, size);
  return socket_server_send_lowpriority(server, &send);
}
int send_text(int id, const char* text) {
  return send_kind(id, SOCKET_BUFFER_RAWPOINTER, text, strlen(text));
}

int is_taken(int id) {
  if (send_text(id, "") == 0) return 1;
  /* Closing ids refuse sends, but they are listed. */
  return find_entry(id).id != 0;
}

char* text_block(const char* text) {
  const size_t size = strlen(text);
  char* block = skynet_malloc(size == 0 ? 1 : size);
  CHECK(block != NULL);
  memcpy(block, text, size);
  return block;
}

static char pattern_byte(size_t at, unsigned seed) {
  return (char)((at * 31 + (at >> 8) * 7 + (at >> 16) + seed) & 0xff);
}
char* pattern(size_t size, unsigned seed) {
  char* block = skynet_malloc(size == 0 ? 1 : size);
  CHECK(block != NULL);
  for (size_t at = 0; at < size; ++at) block[at] = pattern_byte(at, seed);
  return block;
}
int is_pattern(const char* bytes, size_t size, size_t offset, unsigned seed) {
  for (size_t at = 0; at < size; ++at) {
    if (bytes[at] != pattern_byte(offset + at, seed)) return 0;
  }
  return 1;
}

static const void* object_buffer(const void* object) {
  struct object* counted = (struct object*)(uintptr_t)object;
  atomic_fetch_add(&counted->buffers, 1);
  if (atomic_load(&counted->frees) != 0) FAIL("an object is read after its end");
  return counted->bytes;
}
static size_t object_size(const void* object) {
  struct object* counted = (struct object*)(uintptr_t)object;
  atomic_fetch_add(&counted->sizes, 1);
  if (atomic_load(&counted->frees) != 0) FAIL("an object is measured after its end");
  return counted->size;
}
static void object_free(void* object) {
  struct object* counted = object;
  if (atomic_fetch_add(&counted->frees, 1) != 0) FAIL("an object is freed twice");
}
void install_objects(void) {
  struct socket_object_interface functions = {object_buffer, object_size, object_free};
  socket_server_userobject(server, &functions);
  memset(&functions, 0, sizeof functions); /* it was copied */
}

void* keep(void* block) {
  static void* kept[64]; /* a leak check finds them here */
  static int count = 0;
  CHECK(count < 64);
  return kept[count++] = block;
}

/* --- peers --- */

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int peer_connect(int port) {
  return peer_connect_to("127.0.0.1", port);
}

int peer_connect_to(const char* ip, int port) {
  struct sockaddr_in6 v6;
  memset(&v6, 0, sizeof v6);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons((uint16_t)port);
  const int is_v6 = inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1;
  struct sockaddr_in v4 = loopback(port);
  const int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(fd >= 0);
  /* A window of fixed size (more than a segment of the loopback), or the kernel takes megabytes
   * before the engine has to queue one byte. */
  const int window = 256 << 10;
  CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window) == 0);
  const int failed = is_v6 ? connect(fd, (struct sockaddr*)&v6, sizeof v6)
                           : connect(fd, (struct sockaddr*)&v4, sizeof v4);
  if (failed) FAIL("connect %s:%d: %s", ip, port, strerror(errno));
  return fd;
}

static int bound(int type, int* port) {
  struct sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  CHECK(fd >= 0);
  CHECK(bind(fd, (struct sockaddr*)&address, sizeof address) == 0);
  CHECK(getsockname(fd, (struct sockaddr*)&address, &size) == 0);
  *port = ntohs(address.sin_port);
  return fd;
}

int peer_listen(int* port) {
  const int fd = bound(SOCK_STREAM, port);
  CHECK(listen(fd, 64) == 0);
  return fd;
}

int refusing_port(void) {
  int port = 0;
  (void)bound(SOCK_STREAM, &port); /* kept: another test's listener may get it otherwise */
  return port;
}

int unused_udp_port(void) {
  int port = 0;
  close(bound(SOCK_DGRAM, &port));
  return port;
}

int peer_accept(int listener) {
  const int fd = accept(listener, NULL, NULL);
  if (fd < 0) FAIL("accept: %s", strerror(errno));
  return fd;
}

void peer_write(int fd, const char* text) {
  CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
}

void peer_read_exactly(int fd, char* into, size_t size) {
  for (size_t have = 0; have < size;) {
    const ssize_t got = read(fd, into + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) FAIL("read of the peer: %s", strerror(errno));
    if (got == 0) FAIL("the end after %zu of %zu bytes", have, size);
    have += (size_t)got;
  }
}

void peer_expect(int fd, const char* text) {
  char bytes[4096] = "";
  CHECK(strlen(text) < sizeof bytes);
  peer_read_exactly(fd, bytes, strlen(text));
  CHECK_TEXT(bytes, text);
}

void peer_expect_end(int fd) {
  char byte = 0;
  const ssize_t got = read(fd, &byte, 1);
  if (got < 0) FAIL("instead of the end: %s", strerror(errno));
  if (got > 0) FAIL("instead of the end: byte %02x", (unsigned)(unsigned char)byte);
}

void peer_reset(int fd) {
  const struct linger at_once = {1, 0};
  CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
  close(fd);
}

void small_buffers(int fd) {
  const int size = 4096;
  CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
  CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
}

static void* read_all(void* started) {
  struct reader* reader = started;
  char piece[65536];
  while (reader->got < reader->wanted) {
    const size_t left = reader->wanted - reader->got;
    char* into = reader->bytes ? reader->bytes + reader->got : piece;
    const size_t room = reader->bytes || left < sizeof piece ? left : sizeof piece;
    const ssize_t got = read(reader->fd, into, room);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) reader->error = errno;
    if (got <= 0) break;
    reader->got += (size_t)got;
  }
  atomic_store(&reader->done, 1);
  wake_engine();
  return NULL;
}

void reader_start(struct reader* reader, int fd, size_t wanted, int keep_bytes) {
  memset(reader, 0, sizeof *reader);
  reader->fd = fd;
  reader->wanted = wanted;
  if (keep_bytes) reader->bytes = keep(malloc(wanted));
  CHECK(pthread_create(&reader->thread, NULL, read_all, reader) == 0);
}

void reader_join(struct reader* reader) {
  CHECK(pthread_join(reader->thread, NULL) == 0);
}

int has_ipv6(void) {
  struct sockaddr_in6 address;
  memset(&address, 0, sizeof address);
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  const int works = bind(fd, (struct sockaddr*)&address, sizeof address) == 0;
  close(fd);
  return works;
}

/* --- running --- */

static void on_alarm(int number) {
  static const char kText[] = "the test hangs: its deadline is over\n";
  (void)number;
  (void)!write(STDERR_FILENO, kText, sizeof kText - 1);
  _exit(1);
}

static void run_here(const struct test* test) {
  signal(SIGALRM, on_alarm);
  alarm(DEADLINE_S);
  server = socket_server_create(0);
  if (server == NULL) FAIL("no engine");
  test->body();
  socket_server_release(server);
  exit(0); /* and with it the leak check, where there is one */
}

static int milliseconds_since(const struct timespec* began) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int)((now.tv_sec - began->tv_sec) * 1000 + (now.tv_nsec - began->tv_nsec) / 1000000);
}

static int run(const struct test* test) {
  struct timespec began;
  clock_gettime(CLOCK_MONOTONIC, &began);
  fflush(NULL);
  const pid_t child = fork();
  if (child < 0) FAIL("fork: %s", strerror(errno));
  if (child == 0) run_here(test);
  int status = 0;
  if (waitpid(child, &status, 0) != child) FAIL("waitpid: %s", strerror(errno));
  const int passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  printf("%s %s (%d ms)\n", passed ? "PASS" : "FAIL", test->name, milliseconds_since(&began));
  if (WIFSIGNALED(status)) printf("     it ended by signal %d\n", WTERMSIG(status));
  return passed;
}

/* --list: the names; TEXT...: only the tests that have one of the texts in their names. */
int main(int count, char** arguments) {
  int ran = 0, failed = 0;
  for (int index = 0; index < test_count; ++index) {
    int is_wanted = count == 1;
    for (int argument = 1; argument < count; ++argument) {
      is_wanted |= strstr(tests[index].name, arguments[argument]) != NULL;
    }
    if (count == 2 && strcmp(arguments[1], "--list") == 0) {
      puts(tests[index].name);
    } else if (is_wanted) {
      ++ran;
      failed += !run(&tests[index]);
    }
  }
  if (count == 2 && strcmp(arguments[1], "--list") == 0) return 0;
  printf("%d tests, %d failed\n", ran, failed);
  return ran == 0 || failed != 0;
}
