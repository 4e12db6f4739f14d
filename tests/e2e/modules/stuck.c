/* A service that never returns from its first message, beside an echo that must go on. It looks at
 * nothing but a flag of its own that nobody sets. */
#include <stdatomic.h>

#include "skynet.h"

static atomic_int is_released;

static int on_stuck_message(struct skynet_context* ctx, void* ud, int type, int session,
                            uint32_t source, const void* msg, size_t sz) {
  (void)ud, (void)type, (void)session, (void)source, (void)msg, (void)sz;
  skynet_error(ctx, "stuck: for ever");
  while (!atomic_load(&is_released)) {
  }
  return 0;
}

static int ignore(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                  const void* msg, size_t sz) {
  (void)ctx, (void)ud, (void)type, (void)session, (void)source, (void)msg, (void)sz;
  return 0;
}

/* SIGNAL ends the loop; no test needs it, but a debugger may. */
void stuck_signal(void* inst, int number) {
  (void)inst, (void)number;
  atomic_store(&is_released, 1);
}

int stuck_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst;
  if (parm != NULL && parm[0] != '\0') {
    skynet_callback(ctx, NULL, on_stuck_message);
    return 0;
  }
  skynet_callback(ctx, NULL, ignore);
  const char* echo = skynet_command(ctx, "LAUNCH", "raw_echo");
  const char* stuck = echo ? skynet_command(ctx, "LAUNCH", "stuck for ever") : NULL;
  if (stuck == NULL) return 1;
  skynet_send(ctx, 0, skynet_queryname(ctx, stuck), PTYPE_TEXT, 1, NULL, 0);
  return 0;
}
