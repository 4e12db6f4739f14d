/* A listener with limits of its own, by the C interface: echoes 2-byte frames. Parameter: PORT,
 * then FIELD=NUMBER words for the fields of skyloom_listen_options. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skyloom.h"
#include "skynet.h"
#include "skynet_socket.h"

#define FRAME_BYTES_MAX 65535

static const struct {
  const char* name;
  size_t offset;
} fields[] = {
#define FIELD(name) {#name, offsetof(struct skyloom_listen_options, name)}
    FIELD(max_per_listener), FIELD(max_per_ip),         FIELD(accept_rate),   FIELD(idle_timeout),
    FIELD(frame_timeout),    FIELD(first_byte_timeout), FIELD(write_timeout), FIELD(linger_timeout),
    FIELD(frame_max),        FIELD(wbuffer_policy),
#undef FIELD
};

static int set_field(struct skyloom_listen_options* options, const char* word) {
  const char* equals = strchr(word, '=');
  if (equals == NULL) return 0;
  const size_t length = (size_t)(equals - word);
  if (strncmp(word, "wbuffer_max=", length + 1) == 0) {
    options->wbuffer_max = atoll(equals + 1);
    return 1;
  }
  for (size_t i = 0; i < sizeof fields / sizeof *fields; ++i) {
    if (strlen(fields[i].name) != length || strncmp(word, fields[i].name, length) != 0) continue;
    const int value = atoi(equals + 1);
    memcpy((char*)options + fields[i].offset, &value, sizeof value);
    return 1;
  }
  return 0;
}

static void echo(struct skynet_context* ctx, const struct skynet_socket_message* event) {
  const size_t bytes = (size_t)event->ud;
  unsigned char* frame = skynet_malloc(bytes + 2);
  frame[0] = (unsigned char)(bytes >> 8);
  frame[1] = (unsigned char)bytes;
  memcpy(frame + 2, event->buffer, bytes);
  skynet_free(event->buffer);
  struct socket_sendbuffer buffer = {
      .id = event->id, .type = SOCKET_BUFFER_MEMORY, .buffer = frame, .sz = bytes + 2};
  if (skynet_socket_sendbuffer(ctx, &buffer) != 0) skynet_error(ctx, "limited echo: refused");
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  const struct skynet_socket_message* event = msg;
  (void)ud, (void)session, (void)source;
  if (type != PTYPE_SOCKET) return 0;
  switch (event->type) {
    case SKYNET_SOCKET_TYPE_ACCEPT:
      skyloom_socket_framing(ctx, event->ud, SKYLOOM_FRAMING_LENGTH16, FRAME_BYTES_MAX);
      skynet_socket_start(ctx, event->ud);
      break;
    case SKYNET_SOCKET_TYPE_DATA: echo(ctx, event); break;
    case SKYNET_SOCKET_TYPE_CLOSE: skynet_socket_close(ctx, event->id); break;
    case SKYNET_SOCKET_TYPE_ERROR:
      skynet_error(ctx, "limited echo: error %.*s", (int)(sz - sizeof *event),
                   (const char*)(event + 1)); /* without a NUL of its own */
      break;
    default: break;
  }
  return 0;
}

int limited_echo_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct skyloom_listen_options options;
  char words[512];
  (void)inst;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.host = "127.0.0.1";
  options.port = atoi(parm);
  snprintf(words, sizeof words, "%s", parm);
  strtok(words, " ");
  for (const char* word = strtok(NULL, " "); word != NULL; word = strtok(NULL, " ")) {
    if (!set_field(&options, word)) return 1;
  }
  skynet_callback(ctx, NULL, on_message);
  const int id = skyloom_socket_listen(ctx, &options);
  if (id < 0) return 1;
  skynet_socket_start(ctx, id);
  skynet_error(ctx, "limited echo: ready");
  return 0;
}
