/* A module that has no memory for its instance: no launch succeeds, _init is not called. */
#include "abi.h"

void* fixture_no_instance_create(void) {
  return NULL;
}
int fixture_no_instance_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst, (void)parm;
  skynet_error(ctx, "FAIL _init is not called without an instance");
  return 0;
}
