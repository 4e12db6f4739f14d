// Its start fails. It has no _create, so its instance is (void*)~0.
#include <stdint.h>

struct skynet_context;
void test_note(const char*);

int failing_init(void* instance, struct skynet_context* context, const char* parameter) {
  (void)context, (void)parameter;
  test_note((uintptr_t)instance == ~(uintptr_t)0 ? "all ones" : "something else");
  return 1;
}
