// A C service as third parties write them: logs nothing, answers every message with its own bytes.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct skynet_context;
typedef int (*test_callback)(struct skynet_context*, void*, int, int, uint32_t, const void*,
                             size_t);
// Exported by the test program.
void test_set_callback(struct skynet_context*, test_callback, void*);
void test_note(const char*);

struct good {
  int messages;
};

static int on_message(struct skynet_context* context, void* user, int type, int session,
                      uint32_t source, const void* data, size_t size) {
  struct good* self = user;
  (void)context, (void)type, (void)session, (void)source, (void)data, (void)size;
  ++self->messages;
  test_note("message");
  return 0;
}

void* good_create(void) {
  return calloc(1, sizeof(struct good));
}
int good_init(void* instance, struct skynet_context* context, const char* parameter) {
  test_set_callback(context, on_message, instance);
  test_note(parameter == NULL ? "init" : parameter);
  return 0;
}
void good_release(void* instance) {
  test_note("release");
  free(instance);
}
void good_signal(void* instance, int number) {
  (void)instance, (void)number;
  test_note("signal");
}
