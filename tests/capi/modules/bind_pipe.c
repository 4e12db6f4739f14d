/* Foreign descriptors: a pipe is read, is never closed by the runtime, and unsuitable ones are
 * named. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "check.h"

struct test {
  int ends[2];
  int id, file_id, file;
  int last_wait, end_wait;
  int file_errors, closes;
};

static void on_event(struct skynet_context* ctx, struct test* t, const struct socket_event* event,
                     size_t sz) {
  const char* text = event_text(event, sz);
  if (event->type == CONNECT && event->id == t->id) {
    EXPECT("bind is answered", strcmp(text, "binding") == 0);
    EXPECT("a bound descriptor does not block", (fcntl(t->ends[0], F_GETFL) & O_NONBLOCK) != 0);
    if (write(t->ends[1], "piped", 5) != 5) EXPECT("the pipe takes bytes", 0);
  } else if (event->type == DATA) {
    EXPECT("bytes of a pipe arrive", event->ud == 5 && memcmp(event->buffer, "piped", 5) == 0);
    free(event->buffer);
    close(t->ends[1]);
  } else if (event->type == CLOSE) {
    EXPECT("the end of a pipe is a CLOSE", event->id == t->id && ++t->closes == 1);
    skynet_socket_close(ctx, t->id);
    t->last_wait = wait_for(ctx, 10);
  } else if (event->type == SOCKET_ERROR) {
    EXPECT("a regular file cannot be watched, for this reason",
           event->id == t->file_id && strstr(text, "Operation not permitted") != NULL);
    ++t->file_errors;
  } else {
    EXPECT("no other event comes", 0);
  }
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  (void)source;
  if (is_deadline(ctx, type, session, t->closes)) return 0;
  if (type == SOCKET) on_event(ctx, t, msg, sz);
  if (type == RESPONSE && session == t->last_wait) {
    EXPECT("a foreign descriptor stays open", fcntl(t->ends[0], F_GETFD) != -1);
    EXPECT("also one that could not be watched", fcntl(t->file, F_GETFD) != -1);
    EXPECT("a failed bind is reported once, or refused at once",
           t->file_errors == (t->file_id > 0 ? 1 : 0));
    close(t->ends[0]);
    close(t->file);
    end_test(ctx);
  }
  return 0;
}

void* bind_pipe_create(void) {
  return calloc(1, sizeof(struct test));
}
void bind_pipe_release(void* inst) {
  free(inst);
}

int bind_pipe_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct test* t = inst;
  (void)parm;
  skynet_callback(ctx, t, on_message);
  start_deadline(ctx);
  if (pipe2(t->ends, O_CLOEXEC) != 0) return 1;
  t->id = skynet_socket_bind(ctx, t->ends[0]);
  EXPECT("a pipe can be bound", t->id > 0);
  t->file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  t->file_id = skynet_socket_bind(ctx, t->file);
  return 0;
}
