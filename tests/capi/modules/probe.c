/* A service that does what it is told over a unix socket and tells back every message that it gets:
 * the hands and eyes of rules_test.py inside a node. Parameter: "PATH NAME", where to connect and
 * how to introduce itself.
 *
 * In: one command per line. Out: "= result" to a command; "e type id ud bytes address" for a socket
 * event; "m type session source bytes" for any other message; bytes and texts as hex, "-" for none.
 */
#include "probe.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1 << 20, WORDS_MAX = 8 };
enum { COMMAND_TYPE = 200 }; /* of the messages with which the reader hands commands over */

struct probe {
  struct skynet_context* context;
  uint32_t handle;
  int control;
  pthread_t reader;
  pthread_mutex_t mutex;
  pthread_cond_t go;
  int may_go;                /* under mutex; ends a stall */
  int keeps;                 /* returns 1 and frees blocks itself */
  char line[LINE_MAX_BYTES]; /* the reader's; here, because tests compare figures of the heap */
};

static atomic_int object_buffers, object_sizes, object_frees;
struct object {
  size_t size;
  char bytes[];
};
static const void* object_buffer(const void* object) {
  atomic_fetch_add(&object_buffers, 1);
  return ((const struct object*)object)->bytes;
}
static size_t object_size(const void* object) {
  atomic_fetch_add(&object_sizes, 1);
  return ((const struct object*)object)->size;
}
static void object_free(void* object) {
  atomic_fetch_add(&object_frees, 1);
  free(object);
}

static int say(struct probe* probe, const char* format, ...) __attribute__((format(printf, 2, 3)));
static int say(struct probe* probe, const char* format, ...) {
  char* line = NULL;
  va_list arguments;
  va_start(arguments, format);
  const int size = vasprintf(&line, format, arguments);
  va_end(arguments);
  for (int sent = 0; sent < size;) {
    const ssize_t put = send(probe->control, line + sent, (size_t)(size - sent), MSG_NOSIGNAL);
    if (put <= 0) break; /* the test is over */
    sent += (int)put;
  }
  free(line);
  return 0;
}

static char* hex_of(const void* bytes, size_t size) {
  static const char kDigits[] = "0123456789abcdef";
  char* text = malloc(size * 2 + 2);
  if (size == 0) return strcpy(text, "-");
  for (size_t at = 0; at < size; ++at) {
    text[at * 2] = kDigits[((const unsigned char*)bytes)[at] >> 4];
    text[at * 2 + 1] = kDigits[((const unsigned char*)bytes)[at] & 15];
  }
  text[size * 2] = '\0';
  return text;
}

/* A malloc block of its own; "-" is empty, "*SIZE" a pattern. */
static char* bytes_of(const char* hex, size_t* size) {
  if (hex[0] == '*') {
    *size = (size_t)atol(hex + 1);
    return pattern(*size, 1);
  }
  *size = hex[0] == '-' ? 0 : strlen(hex) / 2;
  char* bytes = malloc(*size + 1);
  for (size_t at = 0; at < *size; ++at) {
    const char digits[3] = {hex[at * 2], hex[at * 2 + 1], '\0'};
    bytes[at] = (char)strtoul(digits, NULL, 16);
  }
  bytes[*size] = '\0';
  return bytes;
}

static void* object_of(const char* hex) {
  size_t size = 0;
  char* bytes = bytes_of(hex, &size);
  struct object* object = malloc(sizeof *object + size + 1);
  object->size = size;
  memcpy(object->bytes, bytes, size);
  free(bytes);
  return object;
}

static int send_bytes(struct probe* probe, const char* how, int id, const char* hex) {
  size_t size = 0;
  char* bytes = bytes_of(hex, &size);
  struct send_buffer buffer = {id, MEMORY, bytes, size};
  if (strcmp(how, "send") == 0) return skynet_socket_sendbuffer(probe->context, &buffer);
  if (strcmp(how, "low") == 0) return skynet_socket_sendbuffer_lowpriority(probe->context, &buffer);
  if (strcmp(how, "inline") == 0) return inline_send(probe->context, id, bytes, (int)size);
  if (strcmp(how, "inline_low") == 0) return inline_low(probe->context, id, bytes, (int)size);
  int result = -2;
  if (strcmp(how, "raw") == 0) {
    buffer.type = RAWPOINTER;
    result = skynet_socket_sendbuffer(probe->context, &buffer);
    memset(bytes, 0, size); /* it may, at once */
  }
  free(bytes);
  if (strcmp(how, "object") == 0) {
    buffer = (struct send_buffer){id, OBJECT, object_of(hex), 0};
    result = skynet_socket_sendbuffer(probe->context, &buffer);
  }
  if (strcmp(how, "inline_object") == 0)
    result = inline_send(probe->context, id, object_of(hex), -1);
  if (strcmp(how, "inline_low_object") == 0)
    result = inline_low(probe->context, id, object_of(hex), -1);
  return result;
}

static int send_datagram(struct probe* probe, const char* how, int id, const char* address_hex,
                         const char* hex) {
  size_t size = 0, address_size = 0;
  char* address = bytes_of(address_hex, &address_size);
  char* bytes = bytes_of(hex, &size);
  int result = 0;
  if (strcmp(how, "udp_inline") == 0) {
    result = inline_udp(probe->context, id, address_size ? address : NULL, bytes, (int)size);
  } else {
    struct send_buffer buffer = {id, MEMORY, bytes, size};
    result = skynet_socket_udp_sendbuffer(probe->context, address_size ? address : NULL, &buffer);
  }
  free(address);
  return result;
}

static int tell_list(struct probe* probe) {
  struct socket_entry* list = skynet_socket_info();
  char* text = NULL;
  size_t size = 0;
  FILE* file = open_memstream(&text, &size);
  for (struct socket_entry* entry = list; entry != NULL; entry = entry->next) {
    fprintf(file, " %d,%d,%llu,%llu,%llu,%llu,%llu,%lld,%d,%d,%s", entry->id, entry->type,
            (unsigned long long)entry->opaque, (unsigned long long)entry->read,
            (unsigned long long)entry->write, (unsigned long long)entry->rtime,
            (unsigned long long)entry->wtime, (long long)entry->wbuffer, entry->reading,
            entry->writing, entry->name);
  }
  socket_info_release(list);
  fclose(file);
  say(probe, "=%s\n", text);
  free(text);
  return 0;
}

static int descriptors_of_a_child(void) {
  FILE* child = popen("ls /proc/self/fd", "r");
  if (child == NULL) return -1;
  int lines = 0;
  for (int byte; (byte = fgetc(child)) != EOF;) lines += byte == '\n';
  return pclose(child) == 0 ? lines : -1;
}

/* Bytes that the C library's allocator has given out, in all of its arenas. */
static long long heap_in_use(void) {
  char* text = NULL;
  size_t size = 0;
  FILE* file = open_memstream(&text, &size);
  malloc_info(0, file);
  fclose(file);
  char* total = text; /* the figures of the whole process are behind those of the arenas */
  for (char* next = text; (next = strstr(next, "</heap>")) != NULL; total = ++next) {
  }
  long long free_fast = 0, free_rest = 0, mapped = 0, taken = 0;
  sscanf(strstr(total, "<total type=\"fast\""), "<total type=\"fast\" count=\"%*d\" size=\"%lld\"",
         &free_fast);
  sscanf(strstr(total, "<total type=\"rest\""), "<total type=\"rest\" count=\"%*d\" size=\"%lld\"",
         &free_rest);
  sscanf(strstr(total, "<total type=\"mmap\""), "<total type=\"mmap\" count=\"%*d\" size=\"%lld\"",
         &mapped);
  sscanf(strstr(total, "<system type=\"current\""), "<system type=\"current\" size=\"%lld\"",
         &taken);
  free(text);
  return taken + mapped - free_fast - free_rest;
}

static void stall(struct probe* probe) {
  pthread_mutex_lock(&probe->mutex);
  while (!probe->may_go) pthread_cond_wait(&probe->go, &probe->mutex);
  probe->may_go = 0;
  pthread_mutex_unlock(&probe->mutex);
}

static const char* text_or_null(const char* word) {
  return strcmp(word, "-") == 0 ? NULL : word;
}

/* 1: it was a command that opens or steers a socket. */
static int run_socket_command(struct probe* probe, const char* name, char** word) {
  struct skynet_context* ctx = probe->context;
  const int id = atoi(word[1]);
  int result = 0;
  if (strcmp(name, "listen") == 0) {
    result = skynet_socket_listen(ctx, text_or_null(word[1]), atoi(word[2]), atoi(word[3]));
  } else if (strcmp(name, "connect") == 0) {
    result = skynet_socket_connect(ctx, text_or_null(word[1]), atoi(word[2]));
  } else if (strcmp(name, "bind") == 0) {
    result = skynet_socket_bind(ctx, id);
  } else if (strcmp(name, "close") == 0) {
    skynet_socket_close(ctx, id);
  } else if (strcmp(name, "shutdown") == 0) {
    skynet_socket_shutdown(ctx, id);
  } else if (strcmp(name, "start") == 0) {
    skynet_socket_start(ctx, id);
  } else if (strcmp(name, "pause") == 0) {
    skynet_socket_pause(ctx, id);
  } else if (strcmp(name, "nodelay") == 0) {
    skynet_socket_nodelay(ctx, id);
  } else if (strcmp(name, "udp") == 0) {
    result = skynet_socket_udp(ctx, text_or_null(word[1]), atoi(word[2]));
  } else if (strcmp(name, "udp_dial") == 0) {
    result = skynet_socket_udp_dial(ctx, text_or_null(word[1]), atoi(word[2]));
  } else if (strcmp(name, "udp_listen") == 0) {
    result = skynet_socket_udp_listen(ctx, text_or_null(word[1]), atoi(word[2]));
  } else if (strcmp(name, "udp_connect") == 0) {
    result = skynet_socket_udp_connect(ctx, id, text_or_null(word[2]), atoi(word[3]));
  } else if (strcmp(name, "udp_send") == 0 || strcmp(name, "udp_inline") == 0) {
    result = send_datagram(probe, name, id, word[2], word[3]);
  } else {
    return 0;
  }
  say(probe, "= %d\n", result);
  return 1;
}

static int run_command(struct probe* probe, char* line) {
  struct skynet_context* ctx = probe->context;
  char whole[256];
  snprintf(whole, sizeof whole, "%s", line);
  char* word[WORDS_MAX];
  int count = 0;
  char* rest = NULL;
  for (char* next = strtok_r(line, " ", &rest); next && count < WORDS_MAX;
       next = strtok_r(NULL, " ", &rest))
    word[count++] = next;
  for (int index = count; index < WORDS_MAX; ++index) word[index] = "-";
  const char* name = word[0];
  if (run_socket_command(probe, name, word)) return 0;
  if (strcmp(name, "info") == 0) return tell_list(probe);
  if (strcmp(name, "command") == 0) { /* command NAME ARGUMENT..., or "-" for none */
    char* behind = strchr(whole, ' ') + 1;
    char* argument = strchr(behind, ' ');
    if (argument != NULL) *argument++ = '\0';
    const char* answer =
        skynet_command(ctx, behind, argument && strcmp(argument, "-") ? argument : NULL);
    return say(probe, "= %s\n", answer ? answer : "(null)");
  }
  if (strcmp(name, "post") == 0) { /* post HANDLE TYPE SESSION BYTES [OWN] */
    size_t size = 0;
    char* bytes = bytes_of(word[4], &size);
    const int own = strcmp(word[5], "own") == 0;
    const int result = skynet_send(ctx, 0, (uint32_t)strtoul(word[1], NULL, 16),
                                   (int)strtol(word[2], NULL, 0) | (own ? DONTCOPY : 0),
                                   atoi(word[3]), own || size ? bytes : NULL, size);
    if (!own) free(bytes);
    return say(probe, "= %d\n", result);
  }
  if (strcmp(name, "post_name") == 0) {
    size_t size = 0;
    char* bytes = bytes_of(word[4], &size);
    const int result =
        skynet_sendname(ctx, 0, word[1], atoi(word[2]) | DONTCOPY, atoi(word[3]), bytes, size);
    return say(probe, "= %d\n", result);
  }
  if (strcmp(name, "query") == 0) return say(probe, "= %x\n", skynet_queryname(ctx, word[1]));
  if (strcmp(name, "now") == 0) return say(probe, "= %llu\n", (unsigned long long)skynet_now());
  if (strcmp(name, "handle") == 0) return say(probe, "= %x\n", skynet_current_handle());
  if (strcmp(name, "objects") == 0)
    return say(probe, "= %d %d %d\n", object_buffers > 0, object_sizes > 0, object_frees);
  if (strcmp(name, "child") == 0) return say(probe, "= %d\n", descriptors_of_a_child());
  if (strcmp(name, "heap") == 0) return say(probe, "= %lld\n", heap_in_use());
  if (strcmp(name, "flood") == 0) { /* flood HANDLE COUNT: empty messages */
    int sent = 0;
    for (int index = 0; index < atoi(word[2]); ++index)
      sent += skynet_send(ctx, 0, (uint32_t)strtoul(word[1], NULL, 16), TEXT, 0, NULL, 0) == 0;
    return say(probe, "= %d\n", sent);
  }
  if (strcmp(name, "loop") == 0) {
    skynet_socket_init();
    skynet_socket_updatetime();
    const int result = skynet_socket_poll();
    return say(probe, "= %d\n", result);
  }
  if (strcmp(name, "loop_end") == 0) {
    skynet_socket_exit();
    const int result = skynet_socket_poll();
    skynet_socket_free();
    return say(probe, "= %d\n", result);
  }
  if (strcmp(name, "error") == 0) {
    char* text = strchr(whole, ' ') + 1;
    skynet_error(ctx, "%*s", (int)strlen(text), text);
    return say(probe, "= 0\n");
  }
  if (strcmp(name, "errors") == 0) { /* many long lines */
    for (int index = 0; index < atoi(word[1]); ++index)
      skynet_error(ctx, "line %d %0*d", index, atoi(word[2]), 0);
    return say(probe, "= 0\n");
  }
  if (strcmp(name, "keep") == 0) return probe->keeps = atoi(word[1]), say(probe, "= 0\n");
  if (strcmp(name, "stall") == 0) return say(probe, "= 0\n"), stall(probe), 0;
  if (strcmp(name, "framing") == 0)
    return say(probe, "= %d\n",
               set_framing(ctx, atoi(word[1]), atoi(word[2]), (size_t)atol(word[3])));
  const int result = send_bytes(probe, name, atoi(word[1]), word[2]);
  return say(probe, "= %d\n", result);
}

static void tell_event(struct probe* probe, const struct socket_event* event, size_t size) {
  int address_size = 0;
  const char* address =
      skynet_socket_udp_address((struct socket_event*)(uintptr_t)event, &address_size);
  char* address_hex = hex_of(address, address ? (size_t)address_size : 0);
  char* hex = event->buffer ? hex_of(event->buffer, (size_t)event->ud)
                            : hex_of(event + 1, size - sizeof *event);
  say(probe, "e %d %d %d %s %s\n", event->type, event->id, event->ud, hex, address_hex);
  free(hex);
  free(address_hex);
  free(event->buffer); /* the inner block is ours, whatever becomes of the outer one */
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct probe* probe = ud;
  (void)ctx;
  if (type == COMMAND_TYPE) {
    run_command(probe, (char*)(uintptr_t)msg); /* one NUL byte is behind it */
    return 0;
  }
  if (type == SOCKET && source == 0 && session == 0) {
    tell_event(probe, msg, sz);
  } else {
    char* hex = hex_of(msg, sz);
    say(probe, "m %d %d %x %s\n", type, session, source, hex);
    free(hex);
  }
  if (!probe->keeps) return 0;
  free((void*)(uintptr_t)msg);
  return 1;
}

static void* read_commands(void* started) {
  struct probe* probe = started;
  FILE* lines = fdopen(fcntl(probe->control, F_DUPFD_CLOEXEC, 0), "r");
  char* line = probe->line;
  while (fgets(line, LINE_MAX_BYTES, lines) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "go") == 0) {
      pthread_mutex_lock(&probe->mutex);
      probe->may_go = 1;
      pthread_cond_signal(&probe->go);
      pthread_mutex_unlock(&probe->mutex);
    } else {
      skynet_send(probe->context, 0, probe->handle, COMMAND_TYPE, 0, line, strlen(line));
    }
  }
  fclose(lines);
  return NULL;
}

void* probe_create(void) {
  return calloc(1, sizeof(struct probe));
}

void probe_release(void* inst) {
  struct probe* probe = inst;
  if (probe->context != NULL) {
    shutdown(probe->control, SHUT_RDWR);
    pthread_join(probe->reader, NULL);
    close(probe->control);
  }
  free(probe);
}

void probe_signal(void* inst, int signal) {
  say(inst, "s %d\n", signal);
}

int probe_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct probe* probe = inst;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char name[32] = "";
  if (sscanf(parm, "%100s %31s", address.sun_path, name) != 2) return 1;
  pthread_mutex_init(&probe->mutex, NULL);
  pthread_cond_init(&probe->go, NULL);
  probe->control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(probe->control, (struct sockaddr*)&address, sizeof address) != 0) return 1;
  probe->context = ctx;
  probe->handle = own_handle(ctx);
  const struct socket_object_interface functions = {object_buffer, object_size, object_free};
  skyloom_socket_userobject(&functions);
  skynet_callback(ctx, probe, on_message);
  say(probe, "hello %s %x\n", name, probe->handle);
  return pthread_create(&probe->reader, NULL, read_commands, probe);
}
