/* Names to addresses: skyloom_resolve, and the service that answers whoever asks it. */
#include "check.h"

int skyloom_resolve(struct skynet_context* ctx, const char* host);

struct test {
  int own;        /* session of a lookup of our own */
  int wrong;      /* of a name that there is not */
  int by_service; /* of the request to the resolver service */
  int answers;
};

static int is_loopback(const char* answer, size_t sz) {
  return (sz == 10 && memcmp(answer, "+127.0.0.1", 10) == 0) ||
         (sz >= 4 && memcmp(answer, "+::1", 4) == 0) ||
         (sz > 10 && memcmp(answer, "+127.0.0.1\n", 11) == 0);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  if (is_deadline(ctx, type, session, t->answers)) return 0;
  ++t->answers;
  EXPECT("an answer is a RESPONSE", type == RESPONSE && sz > 1);
  if (session == t->own) {
    EXPECT("a name is answered with its addresses", source == 0 && is_loopback(msg, sz));
  } else if (session == t->wrong) {
    EXPECT("a name that there is not is answered with the reason", *(const char*)msg == '-');
  } else if (session == t->by_service) {
    EXPECT("the service answers whoever asks", source != 0 && is_loopback(msg, sz));
  } else {
    EXPECT("each answer has the session of its question", 0);
  }
  if (t->answers == 3) end_test(ctx);
  return 0;
}

void* resolving_create(void) {
  return calloc(1, sizeof(struct test));
}
void resolving_release(void* inst) {
  free(inst);
}

int resolving_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct test* t = inst;
  char longer[257];
  (void)parm;
  skynet_callback(ctx, t, on_message);
  start_deadline(ctx);
  memset(longer, 'x', 256);
  longer[256] = '\0';
  EXPECT("no host is refused", skyloom_resolve(ctx, NULL) == -1 && skyloom_resolve(ctx, "") == -1);
  EXPECT("256 bytes are refused", skyloom_resolve(ctx, longer) == -1);
  t->own = skyloom_resolve(ctx, "localhost");
  t->wrong = skyloom_resolve(ctx, "no such name");
  EXPECT("a question has a session", t->own > 0 && t->wrong > 0 && t->own != t->wrong);
  EXPECT("the resolver service starts", launch(ctx, "skyloom_resolver") != 0);
  EXPECT("there is one of it", launch(ctx, "skyloom_resolver") == 0);
  t->by_service = skynet_sendname(ctx, 0, ".skyloom_resolver", TEXT | (int)ALLOCSESSION, 0,
                                  (void*)"localhost", 9);
  EXPECT("it has a name", t->by_service > 0);
  return 0;
}
