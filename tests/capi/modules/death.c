/* What others hear of a service that ends. `death` is the observer; `death victim` the one that
 * ends itself at the first message, with the others still in its mailbox. */
#include "check.h"

enum { QUEUED = 10, AFTERWARDS = 100 };

struct test {
  uint32_t victim;
  int answers;
  int answers_without_session;
  int notices;
};

static int on_victim_message(struct skynet_context* ctx, void* ud, int type, int session,
                             uint32_t source, const void* msg, size_t sz) {
  (void)ud, (void)type, (void)session, (void)source, (void)msg, (void)sz;
  skynet_command(ctx, "EXIT", NULL);
  return 0;
}

static void launch_victim(struct skynet_context* ctx, struct test* t) {
  t->victim = launch(ctx, "death victim");
  EXPECT("the victim lives", t->victim != 0);
}

static void fill_mailbox(struct skynet_context* ctx, struct test* t) {
  /* The victim ends at the first of them. The last is from nobody, who gets no answer. */
  struct mailbox_message last = {0, 0, NULL, 0};
  for (int session = 1; session <= QUEUED; ++session) {
    skynet_send(ctx, 0, t->victim, TEXT | DONTCOPY, session, malloc(1000), 1000);
  }
  skynet_send(ctx, 0, t->victim, TEXT, 0, "no session", 10);
  skynet_context_push(t->victim, &last);
}

/* The victim has a name, waits for a timer, and is killed by somebody else this time. */
static void kill_second(struct skynet_context* ctx, struct test* t) {
  char text[48];
  launch_victim(ctx, t);
  snprintf(text, sizeof text, ".victim %s", handle_text(t->victim));
  EXPECT("the victim gets a name", skynet_command(ctx, "NAME", text) != NULL);
  skynet_timeout(t->victim, 1, 1);
  kill_service(ctx, t->victim);
  EXPECT("a message to it is refused at once",
         skynet_send(ctx, 0, t->victim, TEXT | DONTCOPY, 1, malloc(10), 10) == -1);
  EXPECT("its name is free at once", skynet_command(ctx, "QUERY", ".victim") == NULL);
  EXPECT("its name can be taken", skynet_command(ctx, "REG", ".victim") != NULL);
  kill_service(ctx, t->victim); /* once more: no effect */
}

static void on_notice(struct skynet_context* ctx, struct test* t, int session, uint32_t source,
                      size_t sz) {
  EXPECT("the MONITOR service hears who has ended", source == t->victim && session == 0 && sz == 0);
  if (++t->notices == 2) wait_for(ctx, 10); /* past the timer of the dead one */
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  (void)msg;
  if (is_deadline(ctx, type, session, t->answers)) return 0;
  if (type == CLIENT) on_notice(ctx, t, session, source, sz);
  if (type == ERROR) {
    EXPECT("an unread message is answered by an empty ERROR", source == t->victim && sz == 0);
    if (session == 0) {
      ++t->answers_without_session;
    } else {
      /* The first message was read, so it is not among them. */
      EXPECT("with the session of the message", session == t->answers + 2);
      ++t->answers;
    }
    if (t->answers == QUEUED - 1 && t->answers_without_session == 1) kill_second(ctx, t);
  }
  if (type == RESPONSE) {
    EXPECT("every unread message was answered once",
           t->answers == QUEUED - 1 && t->answers_without_session == 1);
    EXPECT("MONITOR tells its service",
           strcmp(skynet_command(ctx, "MONITOR", NULL), handle_text(own_handle(ctx))) == 0);
    end_test(ctx);
  }
  return 0;
}

void* death_create(void) {
  return calloc(1, sizeof(struct test));
}
void death_release(void* inst) {
  free(inst);
}

int death_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct test* t = inst;
  if (parm != NULL && strcmp(parm, "victim") == 0) {
    skynet_callback(ctx, t, on_victim_message);
    return 0;
  }
  skynet_callback(ctx, t, on_message);
  start_deadline(ctx);
  EXPECT("nobody is the MONITOR service at first", skynet_command(ctx, "MONITOR", NULL) == NULL);
  EXPECT("setting it says nothing",
         skynet_command(ctx, "MONITOR", handle_text(own_handle(ctx))) == NULL);
  launch_victim(ctx, t);
  fill_mailbox(ctx, t);
  return 0;
}
