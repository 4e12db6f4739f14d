/* The first service of the echo example. It starts the gate, which accepts clients and cuts frames,
 * and gives each client an agent of its own. Frames go from the gate straight to the agent: the
 * watchdog sees clients come and go, never their traffic.
 *
 * Reads the keys echo_host, echo_port and echo_maxclient of the configuration. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "id_map.h"
#include "skynet/skynet.h"

#define COMMAND_MAX 256

struct watchdog {
  uint32_t self;
  uint32_t gate;
  struct id_map agent_of;  /* socket -> agent */
  struct id_map socket_of; /* agent -> socket */
};

/* Sends a text command; it is copied. */
__attribute__((format(printf, 3, 4))) static void tell(struct skynet_context* ctx, uint32_t service,
                                                       const char* format, ...) {
  char command[COMMAND_MAX];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(command, sizeof command, format, arguments);
  va_end(arguments);
  if (length < 0 || (size_t)length >= sizeof command) return;
  skynet_send(ctx, 0, service, PTYPE_TEXT, 0, command, (size_t)length);
}

/* Starts a service: its handle, or 0. The log says why it failed. */
static uint32_t launch(struct skynet_context* ctx, const char* module_and_arguments) {
  const char* handle = skynet_command(ctx, "LAUNCH", module_and_arguments);
  return handle ? skynet_queryname(ctx, handle) : 0;
}

static void kill_service(struct skynet_context* ctx, uint32_t handle) {
  char name[16];
  snprintf(name, sizeof name, ":%x", (unsigned)handle);
  skynet_command(ctx, "KILL", name);
}

/* A client has connected; it is not read before the gate is told to start it. */
static void on_open(struct skynet_context* ctx, struct watchdog* w, uint32_t socket) {
  char arguments[64];
  snprintf(arguments, sizeof arguments, "echo_agent :%x", (unsigned)w->gate);
  const uint32_t agent = launch(ctx, arguments);
  if (agent == 0) {
    tell(ctx, w->gate, "kick %u", (unsigned)socket);
    return;
  }
  if (id_map_put(&w->agent_of, socket, agent) != 0 ||
      id_map_put(&w->socket_of, agent, socket) != 0) {
    id_map_take(&w->agent_of, socket);
    kill_service(ctx, agent);
    tell(ctx, w->gate, "kick %u", (unsigned)socket);
    return;
  }
  /* Frames of this client go to the agent, and seem to come from the gate. */
  tell(ctx, w->gate, "forward %u :%x :%x", (unsigned)socket, (unsigned)agent, (unsigned)w->gate);
  tell(ctx, w->gate, "start %u", (unsigned)socket);
}

static void on_close(struct skynet_context* ctx, struct watchdog* w, uint32_t socket) {
  const uint32_t agent = id_map_take(&w->agent_of, socket);
  if (agent == 0) return;
  id_map_take(&w->socket_of, agent);
  kill_service(ctx, agent);
}

/* An agent that ended by itself takes its client with it. */
static void on_service_gone(struct skynet_context* ctx, struct watchdog* w, uint32_t handle) {
  const uint32_t socket = id_map_take(&w->socket_of, handle);
  if (socket == 0) return;
  id_map_take(&w->agent_of, socket);
  tell(ctx, w->gate, "kick %u", (unsigned)socket);
}

/* "ID open ID IP:PORT:0" and "ID close", from the gate. */
static void on_report(struct skynet_context* ctx, struct watchdog* w, const char* text,
                      size_t bytes) {
  char report[COMMAND_MAX];
  if (bytes >= sizeof report) return;
  memcpy(report, text, bytes);
  report[bytes] = '\0';
  unsigned socket = 0;
  char event[8] = "";
  if (sscanf(report, "%u %7s", &socket, event) != 2 || socket == 0) return;
  if (strcmp(event, "open") == 0) on_open(ctx, w, socket);
  if (strcmp(event, "close") == 0) on_close(ctx, w, socket);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct watchdog* w = ud;
  (void)session;
  if (type == PTYPE_TEXT && source == w->gate) on_report(ctx, w, msg, sz);
  if (type == PTYPE_CLIENT) on_service_gone(ctx, w, source); /* from MONITOR, see init */
  return 0;                                                  /* the runtime frees msg */
}

static const char* setting(struct skynet_context* ctx, const char* key, const char* otherwise) {
  const char* value = skynet_command(ctx, "GETENV", key);
  return value ? value : otherwise;
}

struct watchdog* echo_watchdog_create(void) {
  return skynet_calloc(1, sizeof(struct watchdog));
}

void echo_watchdog_release(struct watchdog* w) {
  id_map_clear(&w->agent_of);
  id_map_clear(&w->socket_of);
  skynet_free(w);
}

int echo_watchdog_init(struct watchdog* w, struct skynet_context* ctx, const char* parm) {
  (void)parm;
  const char* host = setting(ctx, "echo_host", "127.0.0.1");
  const char* port = setting(ctx, "echo_port", "8888");
  const char* maxclient = setting(ctx, "echo_maxclient", "20000");
  const char* own_name = skynet_command(ctx, "REG", NULL); /* ":%x" of this service */
  char text[COMMAND_MAX];
  const int length =
      snprintf(text, sizeof text, "gate S %s %s:%s 0 %s", own_name, host, port, maxclient);
  if (length < 0 || (size_t)length >= sizeof text) return 1;

  w->self = skynet_queryname(ctx, own_name);
  skynet_callback(ctx, w, on_message);
  w->gate = launch(ctx, text);
  if (w->gate == 0) {
    skynet_error(ctx, "error: no gate at %s:%s", host, port);
    return 1;
  }
  /* From now on every service that ends is reported, as an empty PTYPE_CLIENT message from it. */
  char name[16];
  snprintf(name, sizeof name, ":%x", (unsigned)w->self);
  skynet_command(ctx, "MONITOR", name);
  skynet_error(ctx, "echo: listening on %s:%s", host, port);
  return 0;
}
