/* Launches the built-in C gate and gives every connection an agent of its own (bench_agent).
   Parameter: "FRAMING HOST:PORT CONNECTIONS_MAX [alone]", e.g. "S 127.0.0.1:8888 2000"; `alone`:
   connections are started and have no agents. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skynet.h"
#include "skynet_malloc.h"
#include "skynet_socket.h"

enum { BUCKETS = 4096, TEXT_MAX = 256 };

struct session {
  int id;
  char agent[32]; /* ":hex" */
  struct session* next;
};

struct bench_watchdog {
  char framing;
  int is_alone;
  uint32_t gate;
  struct session* buckets[BUCKETS];
};

struct bench_watchdog* bench_watchdog_create(void) {
  return skynet_calloc(1, sizeof(struct bench_watchdog));
}

void bench_watchdog_release(struct bench_watchdog* self) {
  int i;
  for (i = 0; i < BUCKETS; ++i) {
    while (self->buckets[i] != NULL) {
      struct session* session = self->buckets[i];
      self->buckets[i] = session->next;
      skynet_free(session);
    }
  }
  skynet_free(self);
}

static struct session** bucket_of(struct bench_watchdog* self, int id) {
  return &self->buckets[((uint32_t)id * 2654435769u) % BUCKETS];
}

static void tell_gate(struct skynet_context* ctx, const struct bench_watchdog* self,
                      const char* text) {
  skynet_send(ctx, 0, self->gate, PTYPE_TEXT, 0, (void*)(uintptr_t)text, strlen(text));
}

static void on_open(struct bench_watchdog* self, struct skynet_context* ctx, int id) {
  char text[TEXT_MAX];
  const char* agent;
  struct session* session;
  if (self->is_alone) {
    snprintf(text, sizeof text, "start %d", id);
    tell_gate(ctx, self, text);
    return;
  }
  snprintf(text, sizeof text, "bench_agent %c", self->framing);
  agent = skynet_command(ctx, "LAUNCH", text);
  session = agent != NULL ? skynet_calloc(1, sizeof *session) : NULL;
  if (session == NULL) {
    snprintf(text, sizeof text, "kick %d", id);
    tell_gate(ctx, self, text);
    return;
  }
  session->id = id;
  snprintf(session->agent, sizeof session->agent, "%s", agent);
  session->next = *bucket_of(self, id);
  *bucket_of(self, id) = session;
  snprintf(text, sizeof text, "forward %d %s %s", id, session->agent, session->agent);
  tell_gate(ctx, self, text);
  snprintf(text, sizeof text, "start %d", id);
  tell_gate(ctx, self, text);
}

static void on_close(struct bench_watchdog* self, struct skynet_context* ctx, int id) {
  struct session** link = bucket_of(self, id);
  while (*link != NULL && (*link)->id != id) link = &(*link)->next;
  if (*link != NULL) {
    struct session* session = *link;
    *link = session->next;
    skynet_command(ctx, "KILL", session->agent);
    skynet_free(session);
  }
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct bench_watchdog* self = ud;
  char text[TEXT_MAX];
  char word[8] = "";
  int id = 0;
  const size_t size = sz < sizeof text - 1 ? sz : sizeof text - 1;
  (void)session;
  (void)source;
  if (type != PTYPE_TEXT) return 0;
  memcpy(text, msg, size);
  text[size] = '\0';
  if (sscanf(text, "%d %7s", &id, word) != 2) return 0;
  if (strcmp(word, "open") == 0) on_open(self, ctx, id);
  if (strcmp(word, "close") == 0) on_close(self, ctx, id);
  return 0;
}

int bench_watchdog_init(struct bench_watchdog* self, struct skynet_context* ctx, const char* parm) {
  char address[128] = "";
  char text[TEXT_MAX];
  char watchdog[32];
  char word[8] = "";
  int connections_max = 0;
  const char* name;
  if (parm == NULL ||
      sscanf(parm, "%c %127s %d %7s", &self->framing, address, &connections_max, word) < 3) {
    skynet_error(ctx,
                 "bench_watchdog: parameter must be FRAMING HOST:PORT CONNECTIONS_MAX [alone]");
    return 1;
  }
  self->is_alone = strcmp(word, "alone") == 0;
  skynet_callback(ctx, self, on_message);
  name = skynet_command(ctx, "REG", NULL);
  if (name == NULL) return 1;
  snprintf(watchdog, sizeof watchdog, "%s", name);
  snprintf(text, sizeof text, "gate %c %s %s 0 %d", self->framing, watchdog, address,
           connections_max);
  name = skynet_command(ctx, "LAUNCH", text);
  if (name == NULL) return 1;
  self->gate = (uint32_t)strtoul(name + 1, NULL, 16);
  return 0;
}
