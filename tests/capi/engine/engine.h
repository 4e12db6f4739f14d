/* A small harness for the tests of socket_server.h alone: programs in C11 that link the engine and
 * nothing else. Each TEST runs in a process of its own, with an engine of its own in `server`, a
 * deadline, and its peers as plain sockets. Everything fails by ending that process with a
 * sentence.
 *
 * A test's name begins with the number of the rule that it proves
 * (docs/reference/contract-tests.md).
 */
#ifndef SKYLOOM_TESTS_ENGINE_H
#define SKYLOOM_TESTS_ENGINE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "skynet/skynet_malloc.h"
#include "skynet/socket_server.h"

#define MIB (1u << 20)
#define NO_SUCH_ID 0x7ffffff0
enum { OWNER = 11, OTHER_OWNER = 22, ASKER = 99 }; /* opaque values */

#define TEST(name)                                                 \
  static void name(void);                                          \
  __attribute__((constructor)) static void register_##name(void) { \
    add_test(#name, name);                                         \
  }                                                                \
  static void name(void)
void add_test(const char* name, void (*body)(void));

_Noreturn void fail_at(const char* file, int line, const char* format, ...)
    __attribute__((format(printf, 3, 4)));
#define FAIL(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition) ((condition) ? (void)0 : FAIL("not so: %s", #condition))
#define CHECK_EQ(a, b) check_equal(__FILE__, __LINE__, #a, (long long)(a), #b, (long long)(b))
#define CHECK_TEXT(a, b) check_text(__FILE__, __LINE__, #a, (a), (b))
void check_equal(const char* file, int line, const char* what_a, long long a, const char* what_b,
                 long long b);
void check_text(const char* file, int line, const char* what, const char* text, const char* wanted);

extern struct socket_server* server; /* of the running test */

/* --- events --- */
struct event {
  int type;
  int id;
  uintptr_t opaque;
  int ud;
  int more;       /* what the call made of 1 */
  int has_text;   /* OPEN, ACCEPT and ERR with data */
  char text[512]; /* a copy */
  char* data;     /* DATA and UDP: ours; free_event() releases it */
};
struct event next_event(void);
void free_event(struct event* event);
/* The next event must be this one; UD_ANY and NULL: whatever. */
#define UD_ANY (-1)
#define EXPECT_EVENT(type, id, opaque, ud, text) \
  expect_event(__FILE__, __LINE__, (type), (id), (opaque), (ud), (text))
struct event expect_event(const char* file, int line, int type, int id, uintptr_t opaque, int ud,
                          const char* text);
/* The next events of this id are DATA, together these bytes. */
#define EXPECT_DATA(id, opaque, bytes) \
  expect_data(__FILE__, __LINE__, (id), (opaque), (bytes), strlen(bytes))
void expect_data(const char* file, int line, int id, uintptr_t opaque, const char* bytes,
                 size_t size);
/* No event is under way: several questions are answered, and nothing comes between. */
#define EXPECT_QUIET() expect_quiet(__FILE__, __LINE__)
void expect_quiet(const char* file, int line);
/* Lets the engine work until `flag` is set by another thread, which then calls wake_engine(). No
 * event may come meanwhile. */
#define RUN_UNTIL(flag) run_until(__FILE__, __LINE__, (flag))
void run_until(const char* file, int line, atomic_int* flag);
void wake_engine(void);

/* --- sockets of the engine --- */
int open_listener(uintptr_t opaque, int* port); /* started; 127.0.0.1 */
int is_taken(int id);                           /* whether a close would still find it */
/* An accepted and started connection, owned by `opaque`; *peer is its other end. */
int open_pair(uintptr_t opaque, int* peer);
int open_accepted(uintptr_t opaque, int* listener, int* peer); /* the same, not started */
struct socket_info find_entry(int id);                         /* id 0 when it is not listed */

int send_kind(int id, int kind, const void* buffer, size_t size);
int send_low(int id, int kind, const void* buffer, size_t size);
int send_text(int id, const char* text); /* a RAWPOINTER */
char* text_block(const char* text);      /* malloc, without a NUL */
/* A block whose every byte depends on its place and the seed. */
char* pattern(size_t size, unsigned seed);
void* keep(void* block); /* for the test's whole life: no leak */
int is_pattern(const char* bytes, size_t size, size_t offset, unsigned seed);

/* OBJECT buffers that count. */
struct object {
  const char* bytes;
  size_t size;
  atomic_int buffers, sizes, frees;
};
void install_objects(void);

/* --- peers --- */
int peer_connect(int port);
int peer_connect_to(const char* ip, int port);
int peer_listen(int* port); /* 127.0.0.1 */
int refusing_port(void);    /* of 127.0.0.1; nobody can listen there until the test ends */
int unused_udp_port(void);  /* of 127.0.0.1 */
int peer_accept(int listener);
void peer_write(int fd, const char* text);
void peer_read_exactly(int fd, char* into, size_t size);
void peer_expect(int fd, const char* text);
void peer_expect_end(int fd); /* FIN, and not one byte or a reset before */
void peer_reset(int fd);      /* closes with RST */
void small_buffers(int fd);
/* Reads to the end on a thread of its own; wakes the engine when it has all. */
struct reader {
  int fd;
  size_t wanted; /* stops after so many bytes; SIZE_MAX: at the end of the stream */
  char* bytes;   /* of `wanted`, or NULL: only counts */
  size_t got;
  int error; /* errno of the read that failed, or 0 */
  atomic_int done;
  pthread_t thread;
};
void reader_start(struct reader* reader, int fd, size_t wanted, int keep_bytes);
void reader_join(struct reader* reader);

int has_ipv6(void);
#endif
