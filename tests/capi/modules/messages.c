/* Messages: how they are addressed, copied, kept and refused. Every message goes to the service
 * itself, in the order of the sessions below. */
#include "check.h"

enum { COPIED = 1, MOVED, KEPT, FOREIGN, ONLY_8_BITS, BY_NUMBER, BY_NAME, PUSHED, NUMBERED };
enum { MANY = 5000 };

struct test {
  uint32_t self;
  int expected; /* the next session */
  void* moved;
  char* kept;
  int allocated;
  int numbered;
};

static void refused(struct skynet_context* ctx) {
  int harbor = -1;
  EXPECT("a message to a dead handle is refused",
         skynet_send(ctx, 0, NO_SUCH_HANDLE, TEXT, 5, "x", 1) == -1);
  EXPECT("a block for a dead handle is refused and freed",
         skynet_send(ctx, 0, NO_SUCH_HANDLE, TEXT | DONTCOPY, 5, malloc(100), 100) == -1);
  EXPECT("a block for handle 0 is refused and freed",
         skynet_send(ctx, 0, 0, TEXT | DONTCOPY, 5, malloc(100), 100) == -1);
  EXPECT("a message that no size can express is -2",
         skynet_send(ctx, 0, own_handle(ctx), TEXT, 5, "x", (size_t)1 << 56) == -2);
  EXPECT(
      "a block that no size can express is -2 and freed",
      skynet_send(ctx, 0, own_handle(ctx), TEXT | DONTCOPY, 5, malloc(1), (size_t)1 << 60) == -2);
  EXPECT("a message above message_max is -2",
         skynet_send(ctx, 0, own_handle(ctx), TEXT, 5, NULL, ((size_t)1 << 30) + 1) == -2);
  EXPECT("a message to an unknown name is refused",
         skynet_sendname(ctx, 0, ".nobody", TEXT, 5, "x", 1) == -1);
  EXPECT("a block for an unknown name is refused and freed",
         skynet_sendname(ctx, 0, ".nobody", TEXT | DONTCOPY, 5, malloc(100), 100) == -1);
  EXPECT("handles of this node are not remote", skynet_isremote(ctx, own_handle(ctx), NULL) == 0);
  EXPECT("another harbor's handle is remote",
         skynet_isremote(ctx, 0x07000001, &harbor) == 1 && harbor == 7);
}

static void send_all(struct skynet_context* ctx, struct test* t) {
  char text[] = "hello";
  skynet_send(ctx, 0, t->self, TEXT, COPIED, text, 5);
  text[0] = 'J';
  t->moved = malloc(16);
  skynet_send(ctx, 0, t->self, CLIENT | DONTCOPY, MOVED, t->moved, 16);
  skynet_send(ctx, 0, t->self, TEXT, KEPT, "keep me", 7);
  skynet_send(ctx, 0x1234, t->self, 255, FOREIGN, NULL, 0);
  EXPECT("send returns the session",
         skynet_send(ctx, 0, t->self, 0x700 | CLIENT, ONLY_8_BITS, NULL, 0) == ONLY_8_BITS);
  EXPECT("sendname takes a number",
         skynet_sendname(ctx, 0, handle_text(t->self), TEXT, BY_NUMBER, "n", 1) == BY_NUMBER);
  skynet_command(ctx, "REG", ".messages");
  EXPECT("sendname takes a local name",
         skynet_sendname(ctx, 0, ".messages", TEXT, BY_NAME, "n", 1) == BY_NAME);
  struct mailbox_message pushed = {0x77, PUSHED, malloc(8), 8 | ((size_t)CLIENT << 56)};
  EXPECT("a message can be pushed into a mailbox", skynet_context_push(t->self, &pushed) == 0);
  struct mailbox_message lost = {0x77, PUSHED, NULL, 0};
  EXPECT("nothing can be pushed to a dead handle",
         skynet_context_push(NO_SUCH_HANDLE, &lost) == -1);
  for (int i = 0; i < MANY; ++i) skynet_send(ctx, 0, t->self, TEXT, NUMBERED, &i, sizeof i);
  const int only_session = skynet_send(ctx, 0, 0, TEXT | ALLOCSESSION, 0, NULL, 0);
  t->allocated = skynet_send(ctx, 0, t->self, TEXT | ALLOCSESSION, 0, "a", 1);
  EXPECT("allocated sessions are positive", only_session > 0 && t->allocated > 0);
  EXPECT("an allocated session is a new one", only_session != t->allocated);
}

static void on_numbered(struct skynet_context* ctx, struct test* t, const void* msg) {
  int number = -1;
  memcpy(&number, msg, sizeof number);
  if (number != t->numbered) EXPECT("messages arrive in order", number == t->numbered);
  ++t->numbered;
}

/* Returns what the callback returns: 1 keeps the message. */
static int on_step(struct skynet_context* ctx, struct test* t, int type, int session,
                   uint32_t source, const void* msg, size_t sz) {
  if (session <= PUSHED)
    EXPECT("messages of one sender keep their order", session == t->expected++);
  switch (session) {
    case COPIED:
      EXPECT("a copied message arrives as it was", sz == 5 && memcmp(msg, "hello", 5) == 0);
      EXPECT("a copied message has a NUL behind it", ((const char*)msg)[5] == '\0');
      EXPECT("source 0 is the sender itself", source == t->self);
      EXPECT("the running service is known", skynet_current_handle() == t->self);
      return 0;
    case MOVED:
      EXPECT("a DONTCOPY message arrives by pointer",
             msg == t->moved && sz == 16 && type == CLIENT);
      return 0;
    case KEPT: t->kept = (char*)(uintptr_t)msg; return 1;
    case FOREIGN:
      EXPECT("a message arrives from whom it says", source == 0x1234 && type == 255);
      EXPECT("an empty message has no bytes", sz == 0);
      return 0;
    case ONLY_8_BITS: EXPECT("a type has 8 bits", type == CLIENT); return 0;
    case PUSHED:
      EXPECT("a pushed message arrives", type == CLIENT && source == 0x77 && sz == 8);
      return 0;
    case NUMBERED: on_numbered(ctx, t, msg); return 0;
    default: return 0;
  }
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  if (is_deadline(ctx, type, session, t->expected)) return 0;
  if (session != t->allocated || t->numbered < MANY) {
    return on_step(ctx, t, type, session, source, msg, sz);
  }
  EXPECT("all messages arrived", t->numbered == MANY);
  EXPECT("a kept message stays as it is", memcmp(t->kept, "keep me", 8) == 0);
  free(t->kept);
  end_test(ctx);
  return 0;
}

void* messages_create(void) {
  return calloc(1, sizeof(struct test));
}

void messages_release(void* inst) {
  free(inst);
}

int messages_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct test* t = inst;
  EXPECT("a module without arguments gets none", parm == NULL || parm[0] == '\0');
  t->self = own_handle(ctx);
  t->expected = COPIED;
  skynet_callback(ctx, t, on_message);
  start_deadline(ctx);
  refused(ctx);
  send_all(ctx, t);
  return 0;
}
