/* Timers: never early, in order, and quiet when their service is gone. */
#include "check.h"

enum { EQUAL = 20, LATE_CS = 12 };

struct test {
  uint64_t started;
  int first; /* session of the first of EQUAL timers; the others follow in order of setting */
  int sessions[EQUAL];
  int fired;
  int at_once;
  int late;
  int last;
};

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  (void)msg;
  if (is_deadline(ctx, type, session, t->fired)) return 0;
  if (session == t->at_once) {
    EXPECT("a timer of 0 fires at once", t->fired == 0);
    EXPECT("an expired timer is an empty RESPONSE from 0",
           type == RESPONSE && source == 0 && sz == 0);
  } else if (session == t->late) {
    EXPECT("a timer is not early", skynet_now() - t->started >= LATE_CS);
    EXPECT("shorter timers came before", t->fired == EQUAL);
  } else if (session == t->last) {
    EXPECT("a timer for another handle fires", type == RESPONSE && source == 0);
    end_test(ctx);
  } else if (t->fired < EQUAL) {
    if (t->fired == 0) EXPECT("a timer of 5 is not early", skynet_now() - t->started >= 5);
    EXPECT("equal timers fire in the order they were set", session == t->sessions[t->fired]);
    ++t->fired;
  }
  return 0;
}

void* timers_create(void) {
  return calloc(1, sizeof(struct test));
}
void timers_release(void* inst) {
  free(inst);
}

int timers_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct test* t = inst;
  (void)parm;
  skynet_callback(ctx, t, on_message);
  start_deadline(ctx);
  t->started = skynet_now();
  t->late = wait_for(ctx, LATE_CS);
  for (int i = 0; i < EQUAL; ++i) t->sessions[i] = wait_for(ctx, 5);
  t->at_once = wait_for(ctx, 0);
  EXPECT("TIMEOUT gives a session", t->at_once > 0 && t->late > 0 && t->at_once != t->late);
  EXPECT("no timer of 0 for a dead handle", skynet_timeout(NO_SUCH_HANDLE, 0, 77) == -1);
  EXPECT("a timer for a dead handle is possible", skynet_timeout(NO_SUCH_HANDLE, 1, 77) == 77);
  t->last = 1 << 30;
  EXPECT("timeout gives its session",
         skynet_timeout(own_handle(ctx), LATE_CS + 5, t->last) == t->last);
  return 0;
}
