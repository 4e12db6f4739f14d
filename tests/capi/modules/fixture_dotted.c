/* fixture.dotted_part: the symbols are those of the part behind the last dot. */
#include <string.h>

#include "abi.h"

static int ignore(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                  const void* msg, size_t sz) {
  (void)ctx, (void)ud, (void)type, (void)session, (void)source, (void)msg, (void)sz;
  return 0;
}
int dotted_part_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst;
  skynet_callback(ctx, NULL, ignore);
  return parm != NULL && strcmp(parm, "words") == 0 ? 0 : 1;
}
