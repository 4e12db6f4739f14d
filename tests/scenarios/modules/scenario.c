/* The services of the scenarios that need a node; the argument says which:
 *   limit MAX        sends around the message limit to itself (K11)
 *   deaths LIVES     kills services that own sockets and unread messages (K35)
 *   owner            a victim of the above
 *   launches         launches services without end, until its node is told to abort (K37)
 *   idle             does nothing
 *   chatter LINES    logs lines, short and very long, and echoes meanwhile (K41)
 *   children COUNT   starts child programs that print their descriptors (K43)
 *   yields PORT      a gate's watchdog whose handler waits in the middle of a burst (K45) */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skynet.h"
#include "skynet_socket.h"

size_t malloc_used_memory(void);

/* What a role keeps; freed with its service. */
struct instance {
  void* state;
};
static void* keep(void* inst, size_t size) {
  struct instance* instance = inst;
  instance->state = calloc(1, size);
  return instance->state;
}
void* scenario_create(void) {
  return calloc(1, sizeof(struct instance));
}
void scenario_release(void* inst) {
  free(((struct instance*)inst)->state);
  free(inst);
}

static uint32_t own_handle(struct skynet_context* ctx) {
  return skynet_queryname(ctx, skynet_command(ctx, "REG", NULL));
}
static void wait_ticks(struct skynet_context* ctx, int ticks) {
  char text[16];
  snprintf(text, sizeof text, "%d", ticks);
  skynet_command(ctx, "TIMEOUT", text);
}

/* --- K11 --- */

struct limit {
  size_t max;
  size_t expected, received, wrong;
};

static int on_limited(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct limit* l = ud;
  (void)source;
  if (session == 0x7ffffff0) {
    skynet_error(ctx, "limit: %zu of %zu delivered, %zu wrong", l->received, l->expected, l->wrong);
    return 0;
  }
  ++l->received;
  const unsigned char* bytes = msg;
  if ((session & 0xff) != type || (sz != l->max && sz != l->max - 1) ||
      bytes[0] != (unsigned char)type || bytes[sz - 1] != (unsigned char)~type) {
    ++l->wrong;
  }
  return 0;
}

static char* limited_block(size_t size, int type) {
  char* block = malloc(size);
  memset(block, 'x', size);
  block[0] = (char)type;
  block[size - 1] = (char)~type;
  return block;
}

/* One send; the result must be the session, or -2 above the limit. */
static void send_limited(struct skynet_context* ctx, struct limit* l, size_t size, int type,
                         int by_name, int dont_copy) {
  const int session = 0x100 * (1 + (int)(l->max - size + 1)) + type;
  char* block = limited_block(size, type);
  const int tags = type | (dont_copy ? PTYPE_TAG_DONTCOPY : 0);
  const int result = by_name ? skynet_sendname(ctx, 0, ".limited", tags, session, block, size)
                             : skynet_send(ctx, 0, own_handle(ctx), tags, session, block, size);
  if (size <= l->max) {
    if (result == session) ++l->expected;
    if (result != session) ++l->wrong;
  } else if (result != -2) {
    ++l->wrong;
  }
  if (dont_copy) return; /* gone, whatever happened */
  if (block[0] != (char)type || block[size - 1] != (char)~type) ++l->wrong;
  free(block);
}

static int init_limit(void* inst, struct skynet_context* ctx, const char* parm) {
  struct limit* l = keep(inst, sizeof *l);
  l->max = strtoul(parm, NULL, 10);
  skynet_callback(ctx, l, on_limited);
  skynet_command(ctx, "REG", ".limited");
  const int step = l->max > (1u << 20) ? 51 : 1; /* every type where blocks are small */
  for (int type = 0; type < 256; type += step) {
    if (type == PTYPE_SYSTEM || type == PTYPE_SOCKET || type == 5) continue; /* the runtime's own */
    for (int delta = -1; delta <= 1; ++delta) {
      for (int way = 0; way < 4; ++way) {
        send_limited(ctx, l, l->max + (size_t)delta, type, way & 1, way >> 1);
      }
    }
  }
  skynet_send(ctx, 0, own_handle(ctx), PTYPE_RESPONSE, 0x7ffffff0, NULL, 0);
  return 0;
}

/* --- K35 --- */

#define DEATH_MESSAGES 10000 /* of 2,000 bytes each */

struct deaths {
  int lives, lived, peer_ends;
  size_t answers;
  uint32_t owner;
  size_t used;
  int peers[2], connected;
};

static int on_owner(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                    const void* msg, size_t sz) {
  const struct skynet_socket_message* event = msg;
  (void)ud, (void)sz;
  if (type == PTYPE_SOCKET) {
    if (event->type == SKYNET_SOCKET_TYPE_CONNECT && event->ud > 0) {
      skynet_socket_start(ctx, event->id);
      skynet_send(ctx, 0, skynet_queryname(ctx, ".deaths"), PTYPE_TEXT, event->ud, NULL, 0);
    }
    if (event->type == SKYNET_SOCKET_TYPE_ACCEPT) skynet_socket_start(ctx, event->ud);
    if (event->type == SKYNET_SOCKET_TYPE_DATA) skynet_free(event->buffer);
    return 0;
  }
  if (session != 0) skynet_send(ctx, 0, source, PTYPE_RESPONSE, session, NULL, 0);
  return 0;
}

static void begin_life(struct skynet_context* ctx, struct deaths* d) {
  d->connected = 0;
  d->answers = 0;
  d->peer_ends = 0;
  const char* handle = skynet_command(ctx, "LAUNCH", "scenario owner");
  d->owner = handle == NULL ? 0 : skynet_queryname(ctx, handle);
  if (d->owner == 0) skynet_error(ctx, "deaths: cannot launch");
}

static void end_life(struct skynet_context* ctx, struct deaths* d) {
  char text[16];
  for (int i = 0; i < 2; ++i) { /* peers go on sending */
    for (int times = 0; times < 20; ++times) {
      skynet_socket_send(ctx, d->peers[i], calloc(1, 5000), 5000);
    }
  }
  for (int i = 1; i <= DEATH_MESSAGES; ++i) {
    static const int types[] = {PTYPE_TEXT, PTYPE_CLIENT, 10, 11, 200};
    skynet_send(ctx, 0, d->owner, types[i % 5] | PTYPE_TAG_DONTCOPY, i, calloc(1, 2000), 2000);
  }
  snprintf(text, sizeof text, ":%x", (unsigned)d->owner);
  skynet_command(ctx, "KILL", text);
}

static void life_is_over(struct skynet_context* ctx, struct deaths* d) {
  if (d->answers < DEATH_MESSAGES || d->peer_ends < 2) return;
  ++d->lived;
  if (d->lived == d->lives / 2) d->used = malloc_used_memory();
  if (d->lived < d->lives) {
    begin_life(ctx, d);
    return;
  }
  skynet_error(ctx, "deaths: %d lives, memory %zu then %zu", d->lived, d->used,
               malloc_used_memory());
}

static int on_deaths(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                     const void* msg, size_t sz) {
  struct deaths* d = ud;
  const struct skynet_socket_message* event = msg;
  (void)source, (void)sz;
  if (type == PTYPE_TEXT) { /* the owner's port */
    for (int i = 0; i < 2; ++i) d->peers[i] = skynet_socket_connect(ctx, "127.0.0.1", session);
    return 0;
  }
  if (type == PTYPE_ERROR || type == PTYPE_RESPONSE) {
    ++d->answers;
    if (d->answers > DEATH_MESSAGES) skynet_error(ctx, "deaths: answered twice");
    life_is_over(ctx, d);
    return 0;
  }
  if (type != PTYPE_SOCKET) return 0;
  if (event->type == SKYNET_SOCKET_TYPE_CONNECT && ++d->connected == 2) end_life(ctx, d);
  if (event->type == SKYNET_SOCKET_TYPE_DATA) skynet_free(event->buffer);
  if (event->type == SKYNET_SOCKET_TYPE_CLOSE) {
    skynet_socket_shutdown(ctx, event->id); /* what it sent is for nobody */
    ++d->peer_ends;
    life_is_over(ctx, d);
  }
  return 0;
}

static int init_deaths(void* inst, struct skynet_context* ctx, const char* parm) {
  struct deaths* d = keep(inst, sizeof *d);
  d->lives = atoi(parm);
  skynet_callback(ctx, d, on_deaths);
  skynet_command(ctx, "REG", ".deaths");
  begin_life(ctx, d);
  return 0;
}

/* --- K37 --- */

static int on_launches(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                       const void* msg, size_t sz) {
  int* launched = ud;
  (void)type, (void)session, (void)source, (void)msg, (void)sz;
  for (int times = 0; times < 100; ++times) {
    if (skynet_command(ctx, "LAUNCH", "scenario idle") == NULL) return 0;
    if (++*launched == 2000) { /* in the middle of the next ones */
      skynet_error(ctx, "launches: abort");
      skynet_command(ctx, "ABORT", NULL);
    }
  }
  skynet_send(ctx, 0, own_handle(ctx), PTYPE_TEXT, 0, NULL, 0);
  return 0;
}

/* --- K41 --- */

struct chatter {
  int left;
};

static int on_chatter(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct chatter* c = ud;
  (void)type, (void)session, (void)source, (void)msg, (void)sz;
  for (int times = 0; times < 1000 && c->left > 0; ++times, --c->left) {
    if (c->left % 1000 != 0) {
      skynet_error(ctx, "chatter: line %d", c->left);
    } else {
      char* longest = malloc(200000); /* longer than any buffer inside */
      memset(longest, 'L', 199999);
      longest[199999] = '\0';
      skynet_error(ctx, "%s", longest);
      free(longest);
    }
  }
  if (c->left > 0) skynet_send(ctx, 0, own_handle(ctx), PTYPE_TEXT, 0, NULL, 0);
  return 0;
}

/* --- K43 --- */

struct children {
  int left, done;
};

static int on_children(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                       const void* msg, size_t sz) {
  struct children* c = ud;
  (void)type, (void)session, (void)source, (void)msg, (void)sz;
  /* Tells what it has beside 0, 1 and 2. "e": the pipes of others are none of its. */
  FILE* child = popen(
      "cd /proc/$$/fd && for fd in *; do "
      "[ $fd -gt 2 ] && [ -e $fd ] && ls -l $fd; done; echo end",
      "re");
  char line[256] = "";
  while (child != NULL && fgets(line, sizeof line, child) != NULL && strcmp(line, "end\n") != 0) {
    skynet_error(ctx, "children: inherited %s", line);
  }
  if (child == NULL || strcmp(line, "end\n") != 0 || pclose(child) != 0) {
    skynet_error(ctx, "children: one failed behind '%s'", line);
  }
  ++c->done;
  if (--c->left > 0) {
    skynet_send(ctx, 0, own_handle(ctx), PTYPE_TEXT, 0, NULL, 0);
  } else {
    skynet_error(ctx, "children: %d done", c->done);
  }
  return 0;
}

/* --- K45 --- */

struct held {
  int id;
  size_t size;
  char* bytes;
  struct held* next;
};
struct yields {
  uint32_t gate;
  struct held *first, *last;
  int waits;
};

static void echo(struct skynet_context* ctx, struct yields* y, int id, const char* bytes,
                 size_t size) {
  unsigned char* message = skynet_malloc(2 + size + 4);
  message[0] = (unsigned char)(size >> 8);
  message[1] = (unsigned char)size;
  memcpy(message + 2, bytes, size);
  for (unsigned i = 0; i < 4; ++i) message[2 + size + i] = (unsigned char)((unsigned)id >> (8 * i));
  skynet_send(ctx, 0, y->gate, PTYPE_CLIENT | PTYPE_TAG_DONTCOPY, 0, message, 2 + size + 4);
}

/* Handles frames until one of them makes it wait. */
static void handle_held(struct skynet_context* ctx, struct yields* y) {
  while (y->first != NULL && !y->waits) {
    struct held* h = y->first;
    y->first = h->next;
    if (y->first == NULL) y->last = NULL;
    echo(ctx, y, h->id, h->bytes, h->size);
    if (h->size > 0 && h->bytes[h->size - 1] == 'w') {
      y->waits = 1;
      wait_ticks(ctx, 1);
    }
    free(h->bytes);
    free(h);
  }
}

static int on_yields(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                     const void* msg, size_t sz) {
  struct yields* y = ud;
  char head[64], command[32];
  int id = 0, used = 0;
  (void)session, (void)source;
  if (type == PTYPE_RESPONSE) {
    y->waits = 0;
    handle_held(ctx, y);
    return 0;
  }
  if (type != PTYPE_TEXT) return 0;
  const size_t head_bytes = sz < sizeof head - 1 ? sz : sizeof head - 1;
  memcpy(head, msg, head_bytes);
  head[head_bytes] = '\0';
  if (sscanf(head, "%d data%n", &id, &used) == 1 && used > 0) {
    struct held* h = calloc(1, sizeof *h);
    h->id = id;
    h->size = sz - (size_t)used - 1;
    h->bytes = malloc(h->size + 1);
    memcpy(h->bytes, (const char*)msg + used + 1, h->size);
    if (y->last == NULL) {
      y->first = h;
    } else {
      y->last->next = h;
    }
    y->last = h;
    handle_held(ctx, y);
  } else if (sscanf(head, "%d open%n", &id, &used) == 1 && used > 0) {
    const int length = snprintf(command, sizeof command, "start %d", id);
    skynet_send(ctx, 0, y->gate, PTYPE_TEXT, 0, command, (size_t)length);
  }
  return 0;
}

static int init_yields(void* inst, struct skynet_context* ctx, const char* parm) {
  struct yields* y = keep(inst, sizeof *y);
  char command[128];
  skynet_callback(ctx, y, on_yields);
  snprintf(command, sizeof command, "gate S %s 127.0.0.1:%s 0 1000",
           skynet_command(ctx, "REG", NULL), parm);
  const char* handle = skynet_command(ctx, "LAUNCH", command);
  if (handle == NULL) return 1;
  y->gate = skynet_queryname(ctx, handle);
  return 0;
}

/* --- */

static int on_idle(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                   const void* msg, size_t sz) {
  (void)ctx, (void)ud, (void)type, (void)session, (void)source, (void)msg, (void)sz;
  return 0;
}

static int init_many(struct skynet_context* ctx, const char* parm) {
  char role[16], command[64];
  int count = 0, each = 0;
  if (sscanf(parm, "%15s %d %d", role, &count, &each) != 3) return 1;
  if (skynet_command(ctx, "LAUNCH", "raw_echo") == NULL) return 1;
  snprintf(command, sizeof command, "scenario %s %d", role, each);
  for (int i = 0; i < count; ++i) {
    if (skynet_command(ctx, "LAUNCH", command) == NULL) return 1;
  }
  skynet_callback(ctx, NULL, on_idle);
  return 0;
}

int scenario_init(void* inst, struct skynet_context* ctx, const char* parm) {
  char role[16] = "";
  int used = 0;
  if (parm == NULL || sscanf(parm, "%15s %n", role, &used) != 1) return 1;
  const char* rest = parm + used;
  if (strcmp(role, "limit") == 0) return init_limit(inst, ctx, rest);
  if (strcmp(role, "deaths") == 0) return init_deaths(inst, ctx, rest);
  if (strcmp(role, "yields") == 0) return init_yields(inst, ctx, rest);
  if (strcmp(role, "many") == 0) return init_many(ctx, rest);
  if (strcmp(role, "owner") == 0) {
    skynet_callback(ctx, NULL, on_owner);
    skynet_socket_udp(ctx, "127.0.0.1", 0);
    return skynet_socket_listen(ctx, "127.0.0.1", 0, 16) > 0 ? 0 : 1;
  }
  if (strcmp(role, "idle") == 0) {
    skynet_callback(ctx, NULL, on_idle);
    return 0;
  }
  if (strcmp(role, "launches") == 0) {
    skynet_callback(ctx, keep(inst, sizeof(int)), on_launches);
  } else if (strcmp(role, "chatter") == 0) {
    struct chatter* c = keep(inst, sizeof *c);
    c->left = atoi(rest);
    skynet_callback(ctx, c, on_chatter);
  } else if (strcmp(role, "children") == 0) {
    struct children* c = keep(inst, sizeof *c);
    c->left = atoi(rest);
    skynet_callback(ctx, c, on_children);
  } else {
    return 1;
  }
  skynet_send(ctx, 0, own_handle(ctx), PTYPE_TEXT, 0, NULL, 0);
  return 0;
}
