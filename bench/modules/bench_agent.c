/* The agent of one client behind the C gate. Parameter: "FRAMING" (S or L). Each frame arrives as
   PTYPE_CLIENT with the socket id as session and without its header; it goes back with one,
   straight to the socket. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "skynet.h"
#include "skynet_malloc.h"
#include "skynet_socket.h"

struct bench_agent {
  size_t header_size;
};

struct bench_agent* bench_agent_create(void) {
  return skynet_calloc(1, sizeof(struct bench_agent));
}

void bench_agent_release(struct bench_agent* self) {
  skynet_free(self);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  const struct bench_agent* self = ud;
  const size_t header = self->header_size;
  unsigned char* frame;
  size_t i;
  (void)source;
  if (type != PTYPE_CLIENT) return 0;
  frame = skynet_malloc(header + sz);
  if (frame == NULL) return 0;
  for (i = 0; i < header; ++i) frame[i] = (unsigned char)(sz >> (8 * (header - 1 - i)));
  memcpy(frame + header, msg, sz);
  skynet_socket_send(ctx, session, frame, (int)(header + sz));
  return 0;
}

int bench_agent_init(struct bench_agent* self, struct skynet_context* ctx, const char* parm) {
  self->header_size = parm != NULL && parm[0] == 'L' ? 4 : 2;
  skynet_callback(ctx, self, on_message);
  return 0;
}
