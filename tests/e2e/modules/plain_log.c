/* A log service of one's own, as the key `logservice` allows: standard output, without time or
 * queue. */
#include <stdio.h>

#include "skynet.h"

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ctx, (void)ud, (void)session;
  if (type == PTYPE_SYSTEM) puts("plain log: reopened");
  if (type == PTYPE_TEXT) printf("[:%08x] %.*s\n", (unsigned)source, (int)sz, (const char*)msg);
  fflush(stdout);
  return 0;
}

int plain_log_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst;
  printf("plain log: argument %s\n", parm ? parm : "none");
  skynet_callback(ctx, NULL, on_message);
  return 0;
}
