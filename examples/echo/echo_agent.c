/* Serves one client of the echo example: every frame goes back as it came. The frame "quit" ends
 * the connection. Its argument is the gate's handle. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "skynet/skynet.h"
#include "skynet/skynet_socket.h"

#define HEADER_BYTES 2

struct agent {
  uint32_t gate;
  unsigned long long frames;
};

/* The gate cuts frames for us; what goes out is ours to pack: 2 bytes of length, then payload. */
static void reply(struct skynet_context* ctx, int socket, const void* payload, size_t bytes) {
  if (bytes > UINT16_MAX) return; /* more than the header can say; no client can send it */
  unsigned char* frame = skynet_malloc(HEADER_BYTES + bytes);
  if (frame == NULL) return;
  frame[0] = (unsigned char)(bytes >> 8);
  frame[1] = (unsigned char)(bytes & 0xff);
  memcpy(frame + HEADER_BYTES, payload, bytes);
  /* The frame is the runtime's from here on, also when the client is gone and this returns -1. */
  skynet_socket_send(ctx, socket, frame, (int)(HEADER_BYTES + bytes));
}

static void kick(struct skynet_context* ctx, const struct agent* a, int socket) {
  char command[32];
  const int length = snprintf(command, sizeof command, "kick %d", socket);
  skynet_send(ctx, 0, a->gate, PTYPE_TEXT, 0, command, (size_t)length);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct agent* a = ud;
  (void)source;
  if (type != PTYPE_CLIENT) return 0;
  const int socket = session; /* the gate puts the client's socket id there */
  if (sz == 4 && memcmp(msg, "quit", 4) == 0) {
    skynet_error(ctx, "echo: client %d quits after %llu frames", socket, a->frames);
    kick(ctx, a, socket); /* the watchdog hears of it and kills this agent */
    return 0;
  }
  ++a->frames;
  reply(ctx, socket, msg, sz);
  return 0; /* the runtime frees msg */
}

struct agent* echo_agent_create(void) {
  return skynet_calloc(1, sizeof(struct agent));
}

void echo_agent_release(struct agent* a) {
  skynet_free(a);
}

int echo_agent_init(struct agent* a, struct skynet_context* ctx, const char* gate) {
  if (gate == NULL) return 1;
  a->gate = skynet_queryname(ctx, gate);
  skynet_callback(ctx, a, on_message);
  return 0;
}
