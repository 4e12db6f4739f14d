/* Logs 1000 lines and ends the node. */
#include "skynet.h"

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)type, (void)session, (void)source, (void)msg, (void)sz;
  for (int i = 0; i < 1000; ++i) skynet_error(ctx, "abort: line %d", i);
  skynet_command(ctx, "ABORT", NULL);
  return 0;
}

int abort_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst, (void)parm;
  skynet_callback(ctx, NULL, on_message);
  skynet_command(ctx, "TIMEOUT", "0");
  return 0;
}
