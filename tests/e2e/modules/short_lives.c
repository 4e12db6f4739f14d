/* Launches a service `lives` times and kills each with all it owns: a listener, a UDP socket,
 * timers and ten unread messages, each of which must be answered. `short_lives owner` is that
 * service. */
#include <stdio.h>
#include <stdlib.h>

#include "skynet.h"
#include "skynet_socket.h"

enum { MESSAGES = 10 };

static int lives, lived, answers;

/* A message is answered here, or by the runtime because nobody has read it. */
static int on_owner_message(struct skynet_context* ctx, void* ud, int type, int session,
                            uint32_t source, const void* msg, size_t sz) {
  (void)ud, (void)sz;
  if (type == PTYPE_SOCKET) skynet_free(((const struct skynet_socket_message*)msg)->buffer);
  if (type == PTYPE_TEXT) skynet_send(ctx, 0, source, PTYPE_TEXT, session, NULL, 0);
  return 0;
}

static int init_owner(struct skynet_context* ctx) {
  skynet_callback(ctx, NULL, on_owner_message);
  skynet_command(ctx, "TIMEOUT", "100000");
  skynet_command(ctx, "TIMEOUT", "1");
  skynet_socket_udp(ctx, "127.0.0.1", 0);
  return skynet_socket_listen(ctx, "127.0.0.1", 0, 16) > 0 ? 0 : 1;
}

static void live_once(struct skynet_context* ctx) {
  char owner[16];
  snprintf(owner, sizeof owner, "%s", skynet_command(ctx, "LAUNCH", "short_lives owner"));
  const uint32_t handle = skynet_queryname(ctx, owner);
  for (int session = 1; session <= MESSAGES; ++session) {
    skynet_send(ctx, 0, handle, PTYPE_TEXT | PTYPE_TAG_DONTCOPY, session, skynet_malloc(2000),
                2000);
  }
  skynet_command(ctx, "KILL", owner);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)session, (void)source, (void)msg, (void)sz;
  if (type == PTYPE_RESPONSE && lived < lives) {
    live_once(ctx);
    if (++lived == lives / 2) skynet_error(ctx, "short lives: half");
  }
  if (type == PTYPE_ERROR || type == PTYPE_TEXT) ++answers;
  if (answers == lived * MESSAGES) {
    if (lived == lives) {
      skynet_error(ctx, "short lives: all %d, %d answers", lived, answers);
    } else {
      skynet_command(ctx, "TIMEOUT", "0");
    }
  }
  return 0;
}

int short_lives_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst;
  if (parm != NULL && parm[0] != '\0') return init_owner(ctx);
  lives = atoi(skynet_command(ctx, "GETENV", "lives"));
  skynet_callback(ctx, NULL, on_message);
  skynet_command(ctx, "TIMEOUT", "0");
  return 0;
}
