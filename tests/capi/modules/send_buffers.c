/* Send buffers: who owns them, and that the peer gets every byte in order. */
#include "pair.h"

enum { FIRST = 100000, SECOND = 1000000, THIRD = 100000, ALL = FIRST + SECOND + THIRD };

struct test {
  struct pair pair;
  size_t received;
  int wrong;
};

static void send_all(struct skynet_context* ctx, struct test* t) {
  const int id = t->pair.client;
  char* borrowed = pattern(SECOND, 2);
  struct send_buffer memory = {id, MEMORY, pattern(FIRST, 1), FIRST};
  struct send_buffer raw = {id, RAWPOINTER, borrowed, SECOND};
  struct send_buffer low = {id, MEMORY, pattern(THIRD, 3), THIRD};
  EXPECT("a MEMORY buffer is taken", skynet_socket_sendbuffer(ctx, &memory) == 0);
  EXPECT("a RAWPOINTER buffer is taken", skynet_socket_sendbuffer(ctx, &raw) == 0);
  EXPECT("a RAWPOINTER buffer is left as it is", is_pattern(borrowed, SECOND, 0, 2));
  memset(borrowed, 0xee, SECOND);
  free(borrowed);
  EXPECT("a low-priority buffer is taken", skynet_socket_sendbuffer_lowpriority(ctx, &low) == 0);
}

static void send_refused(struct skynet_context* ctx) {
  static const int ids[] = {-1, 0, 1 << 20, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof ids / sizeof *ids; ++i) {
    struct send_buffer memory = {ids[i], MEMORY, malloc(100), 100};
    struct send_buffer low = {ids[i], MEMORY, malloc(100), 100};
    struct send_buffer raw = {ids[i], RAWPOINTER, "static", 6};
    EXPECT("a buffer for no socket is refused and freed",
           skynet_socket_sendbuffer(ctx, &memory) == -1 &&
               skynet_socket_sendbuffer_lowpriority(ctx, &low) == -1);
    EXPECT("a borrowed one is refused", skynet_socket_sendbuffer(ctx, &raw) == -1);
  }
}

static void send_dropped(struct skynet_context* ctx, const struct test* t) {
  struct send_buffer listener = {t->pair.listener, MEMORY, malloc(100), 100};
  struct send_buffer low = {t->pair.listener, MEMORY, malloc(100), 100};
  struct send_buffer empty = {t->pair.client, MEMORY, malloc(1), 0};
  skynet_socket_sendbuffer(ctx, &listener);
  skynet_socket_sendbuffer_lowpriority(ctx, &low);
  skynet_socket_sendbuffer(ctx, &empty);
}

static void on_data(struct skynet_context* ctx, struct test* t, const struct socket_event* event) {
  static const size_t ends[] = {FIRST, FIRST + SECOND, ALL};
  size_t done = 0;
  while (done < (size_t)event->ud && t->received < ALL) {
    const unsigned part = t->received < ends[0] ? 0 : t->received < ends[1] ? 1 : 2;
    const size_t begin = part == 0 ? 0 : ends[part - 1];
    size_t count = (size_t)event->ud - done;
    if (count > ends[part] - t->received) count = ends[part] - t->received;
    if (!is_pattern(event->buffer + done, count, t->received - begin, part + 1)) ++t->wrong;
    done += count;
    t->received += count;
  }
  if (done != (size_t)event->ud) ++t->wrong;
  free(event->buffer);
  if (t->received < ALL) return;
  EXPECT("every byte arrives in order", t->wrong == 0);
  pair_close(ctx, &t->pair);
  end_test(ctx);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  const struct socket_event* event = msg;
  (void)source, (void)sz;
  if (is_deadline(ctx, type, session, (int)t->received)) return 0;
  if (type != SOCKET) return 0;
  if (pair_on_event(ctx, &t->pair, event)) {
    send_dropped(ctx, t);
    send_all(ctx, t);
    skynet_socket_start(ctx, t->pair.server);
  }
  if (event->type == DATA) on_data(ctx, t, event);
  return 0;
}

void* send_buffers_create(void) {
  return calloc(1, sizeof(struct test));
}
void send_buffers_release(void* inst) {
  free(inst);
}

int send_buffers_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct test* t = inst;
  (void)parm;
  skynet_callback(ctx, t, on_message);
  start_deadline(ctx);
  send_refused(ctx);
  return pair_open(ctx, &t->pair) ? 0 : 1;
}
