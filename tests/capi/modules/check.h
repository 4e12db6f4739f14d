/* What the test services share: checks that end up as lines of the log, which the runner reads, and
 * small steps that every module of a server needs. Each module has its own copy of the counters. */
#ifndef SKYLOOM_TESTS_CHECK_H
#define SKYLOOM_TESTS_CHECK_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"

#define DEADLINE_CS 3000 /* of a whole test; long enough for a busy machine under a sanitizer */
#define DEADLINE_SESSION 0x7ffffff0
#define NO_SUCH_HANDLE 0x00abcdefu

static atomic_int checks_made; /* services of one module may run at the same time */

/* PASS sentence, or FAIL sentence: what was not so. */
static inline void expect_at(struct skynet_context* ctx, const char* sentence, int is_so,
                             const char* what, int line) {
  ++checks_made;
  if (is_so) {
    skynet_error(ctx, "PASS %s", sentence);
  } else {
    skynet_error(ctx, "FAIL %s: not so in line %d: %s", sentence, line, what);
  }
}
#define EXPECT(sentence, condition) expect_at(ctx, sentence, (condition) != 0, #condition, __LINE__)

/* Tells the runner that no check is missing; it stops the node. */
static inline void end_test(struct skynet_context* ctx) {
  skynet_error(ctx, "END %d", checks_made);
}

static inline uint32_t own_handle(struct skynet_context* ctx) {
  return skynet_queryname(ctx, skynet_command(ctx, "REG", NULL));
}

/* From then on a message with DEADLINE_SESSION says that the test has taken too long. */
static inline void start_deadline(struct skynet_context* ctx) {
  skynet_timeout(own_handle(ctx), DEADLINE_CS, DEADLINE_SESSION);
}
static inline int is_deadline(struct skynet_context* ctx, int type, int session, int step) {
  if (type != RESPONSE || session != DEADLINE_SESSION) return 0;
  ++checks_made;
  skynet_error(ctx, "FAIL the test ends in time: it is stuck at step %d", step);
  end_test(ctx);
  return 1;
}

/* Asks for a RESPONSE after `cs`; returns its session. */
static inline int wait_for(struct skynet_context* ctx, int cs) {
  char text[16];
  snprintf(text, sizeof text, "%d", cs);
  const char* session = skynet_command(ctx, "TIMEOUT", text);
  return session ? atoi(session) : -1;
}

/* Starts a service; 0 when it failed. */
static inline uint32_t launch(struct skynet_context* ctx, const char* module_and_arguments) {
  const char* handle = skynet_command(ctx, "LAUNCH", module_and_arguments);
  return handle ? skynet_queryname(ctx, handle) : 0;
}

static inline const char* handle_text(uint32_t handle) {
  static _Thread_local char text[16];
  snprintf(text, sizeof text, ":%x", (unsigned)handle);
  return text;
}
static inline void kill_service(struct skynet_context* ctx, uint32_t handle) {
  skynet_command(ctx, "KILL", handle_text(handle));
}

static inline int setting(struct skynet_context* ctx, const char* key) {
  const char* value = skynet_command(ctx, "GETENV", key);
  return value ? atoi(value) : -1;
}

/* Text of an event, which has no NUL of its own; valid until the next call on this thread. */
static inline const char* event_text(const struct socket_event* event, size_t message_bytes) {
  static _Thread_local char text[256];
  size_t bytes = message_bytes - sizeof *event;
  if (event->buffer != NULL || bytes >= sizeof text) bytes = 0;
  memcpy(text, event + 1, bytes);
  text[bytes] = '\0';
  return text;
}

/* A block of `bytes` bytes that can be told from any other by its seed. */
static inline char* pattern(size_t bytes, unsigned seed) {
  char* block = malloc(bytes);
  for (size_t i = 0; block && i < bytes; ++i) block[i] = (char)((i * 31 + (i >> 8) + seed) & 0xff);
  return block;
}
/* Whether `bytes` are those of the pattern from `offset` on. */
static inline int is_pattern(const char* bytes, size_t count, size_t offset, unsigned seed) {
  for (size_t i = 0; i < count; ++i) {
    const size_t at = offset + i;
    if (bytes[i] != (char)((at * 31 + (at >> 8) + seed) & 0xff)) return 0;
  }
  return 1;
}

static inline int send_raw(struct skynet_context* ctx, int id, const void* bytes, size_t sz) {
  struct send_buffer buffer = {id, RAWPOINTER, bytes, sz};
  return skynet_socket_sendbuffer(ctx, &buffer);
}

#endif
