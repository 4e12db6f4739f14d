/* SIGNAL calls the module on the caller's thread, before it returns. `signals receiver` hears. */
#include "check.h"

static int signals[16];
static int signals_count;

void* signals_create(void) {
  return calloc(1, 1);
}
void signals_release(void* inst) {
  free(inst);
}
void signals_signal(void* inst, int number) {
  if (inst != NULL && signals_count < 16) signals[signals_count++] = number;
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  char text[32];
  (void)ud, (void)type, (void)session, (void)source, (void)msg, (void)sz;
  const uint32_t receiver = launch(ctx, "signals receiver");
  skynet_command(ctx, "SIGNAL", handle_text(receiver));
  EXPECT("a signal without a number is 0", signals_count == 1 && signals[0] == 0);
  snprintf(text, sizeof text, "%s 9", handle_text(receiver));
  skynet_command(ctx, "SIGNAL", text);
  EXPECT("a signal has its number", signals_count == 2 && signals[1] == 9);
  snprintf(text, sizeof text, "%s 0x10", handle_text(receiver));
  skynet_command(ctx, "SIGNAL", text);
  EXPECT("numbers are as in C", signals_count == 3 && signals[2] == 16);
  kill_service(ctx, receiver);
  skynet_command(ctx, "SIGNAL", handle_text(receiver));
  EXPECT("a dead service gets no signal", signals_count == 3);
  skynet_command(ctx, "SIGNAL", ":1"); /* a service without _signal, perhaps */
  end_test(ctx);
  return 0;
}

int signals_init(void* inst, struct skynet_context* ctx, const char* parm) {
  skynet_callback(ctx, inst, on_message);
  if (parm == NULL || parm[0] == '\0') skynet_send(ctx, 0, own_handle(ctx), TEXT, 1, NULL, 0);
  return 0;
}
