/* A gate without agents: starts the gate of the key `gate` (its own handle in place of "WATCHDOG")
 * and every client; logs what it is told. Frames come as "ID data BYTES"; it echoes each through
 * the gate. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skynet.h"

static uint32_t gate;
static unsigned header_bytes;

/* A PTYPE_CLIENT message to the gate ends with the client's id, little-endian. */
static void echo(struct skynet_context* ctx, int id, const char* payload, size_t bytes) {
  unsigned char* message = skynet_malloc(header_bytes + bytes + 4);
  for (unsigned i = 0; i < header_bytes; ++i) {
    message[i] = (unsigned char)(bytes >> (8 * (header_bytes - 1 - i)));
  }
  memcpy(message + header_bytes, payload, bytes);
  for (unsigned i = 0; i < 4; ++i) {
    message[header_bytes + bytes + i] = (unsigned char)((unsigned)id >> (8 * i));
  }
  skynet_send(ctx, 0, gate, PTYPE_CLIENT | PTYPE_TAG_DONTCOPY, 0, message,
              header_bytes + bytes + 4);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  char head[64], command[32];
  int id = 0, used = 0;
  (void)ud, (void)session, (void)source;
  if (type != PTYPE_TEXT) return 0;
  const size_t head_bytes = sz < sizeof head - 1 ? sz : sizeof head - 1;
  memcpy(head, msg, head_bytes);
  head[head_bytes] = '\0';
  if (sscanf(head, "%d data%n", &id, &used) == 1 && used > 0) {
    echo(ctx, id, (const char*)msg + used + 1, sz - (size_t)used - 1);
    return 0;
  }
  skynet_error(ctx, "gate user: %s", head);
  if (sscanf(head, "%d open%n", &id, &used) == 1 && used > 0) {
    const int length = snprintf(command, sizeof command, "start %d", id);
    skynet_send(ctx, 0, gate, PTYPE_TEXT, 0, command, (size_t)length);
  }
  return 0;
}

int gate_user_init(void* inst, struct skynet_context* ctx, const char* parm) {
  char command[512];
  (void)inst;
  const char* own = skynet_command(ctx, "REG", NULL);
  header_bytes = parm != NULL && parm[0] == 'L' ? 4 : 2;
  /* "S PORT MAX" or "L PORT MAX", then words for the gate. The key `gate_address` replaces
   * 127.0.0.1:PORT. */
  char header = 'S', address[128];
  int port = 0, max = 0, used = 0;
  if (parm == NULL || sscanf(parm, "%c %d %d%n", &header, &port, &max, &used) != 3) return 1;
  const char* other = skynet_command(ctx, "GETENV", "gate_address");
  snprintf(address, sizeof address, "127.0.0.1:%d", port);
  if (other != NULL) snprintf(address, sizeof address, "%s", other);
  snprintf(command, sizeof command, "gate %c %s %s 0 %d %s", header, own, address, max,
           parm + used);
  skynet_callback(ctx, NULL, on_message);
  const char* handle = skynet_command(ctx, "LAUNCH", command);
  if (handle == NULL) return 1;
  gate = skynet_queryname(ctx, handle);
  skynet_error(ctx, "gate user: ready");
  return 0;
}
