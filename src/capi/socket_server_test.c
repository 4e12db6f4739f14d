/* socket_server.h alone: a C11 program without services, as somebody would write who embeds the
 * engine. It links nothing of the actor side. */
#include "skynet/socket_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

static struct socket_server* server;

/* The next event, which must be of this type and id (0: any). */
static struct socket_message expect(int type, int id) {
  struct socket_message message;
  int more = 1;
  const int got = socket_server_poll(server, &message, &more);
  if (got != type || (id != 0 && message.id != id)) {
    fprintf(stderr, "expected event %d of %d, got %d of %d: %s\n", type, id, got, message.id,
            got == SOCKET_ERR ? message.data : "");
    exit(1);
  }
  return message;
}

static int connect_to(int port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(fd >= 0);
  CHECK(connect(fd, (struct sockaddr*)&address, sizeof address) == 0);
  return fd;
}

static int freed_objects = 0;
static const void* object_buffer(const void* object) {
  return object;
}
static size_t object_size(const void* object) {
  return strlen((const char*)object);
}
static void object_free(void* object) {
  (void)object;
  ++freed_objects;
}

static int send_kind(int id, int type, const void* buffer, size_t size) {
  struct socket_sendbuffer send;
  send.id = id;
  send.type = type;
  send.buffer = buffer;
  send.sz = size;
  return socket_server_send(server, &send);
}

static void* exit_from_elsewhere(void* unused) {
  (void)unused;
  socket_server_exit(server);
  return NULL;
}

int main(void) {
  server = socket_server_create(100);
  CHECK(server != NULL);
  struct socket_object_interface objects = {object_buffer, object_size, object_free};
  socket_server_userobject(server, &objects);

  /* Refused at once. */
  CHECK(socket_server_listen(server, 1, "203.0.113.7", 0, 16) == -1);
  CHECK(socket_server_listen(server, 1, "127.0.0.1", 70000, 16) == -1);
  CHECK(socket_server_udp_listen(server, 1, "127.0.0.1", 0) == -1);

  /* A listener tells its port, accepts after start, and its client is read after start. */
  const int listener = socket_server_listen(server, 11, "127.0.0.1", 0, 16);
  CHECK(listener > 0);
  struct socket_message opened = expect(SOCKET_OPEN, listener);
  CHECK(opened.opaque == 11 && opened.ud > 0 && strcmp(opened.data, "127.0.0.1") == 0);
  const int port = opened.ud;
  socket_server_start(server, 11, listener);
  CHECK(strcmp(expect(SOCKET_OPEN, listener).data, "start") == 0);
  const int client = connect_to(port);
  struct socket_message accepted = expect(SOCKET_ACCEPT, listener);
  const int id = accepted.ud;
  CHECK(id > 0 && strncmp(accepted.data, "127.0.0.1:", 10) == 0);
  socket_server_start(server, 22, id);
  struct socket_message started = expect(SOCKET_OPEN, id);
  CHECK(started.opaque == 22 && strcmp(started.data, "start") == 0);
  CHECK(write(client, "hello", 5) == 5);
  struct socket_message data = expect(SOCKET_DATA, id);
  CHECK(data.ud == 5 && memcmp(data.data, "hello", 5) == 0);
  free(data.data);

  /* The three kinds of buffers, and an id that nobody has. */
  char reply[32] = "";
  char* memory = malloc(7);
  CHECK(memory != NULL);
  memcpy(memory, "memory ", 7);
  CHECK(send_kind(id, SOCKET_BUFFER_MEMORY, memory, 7) == 0);
  CHECK(send_kind(id, SOCKET_BUFFER_RAWPOINTER, "raw ", 4) == 0);
  CHECK(send_kind(id, SOCKET_BUFFER_OBJECT, "object", 0) == 0);
  for (size_t have = 0; have < 17;) {
    const ssize_t got = read(client, reply + have, sizeof reply - have - 1);
    CHECK(got > 0);
    have += (size_t)got;
  }
  CHECK(strcmp(reply, "memory raw object") == 0);
  CHECK(freed_objects == 1);
  CHECK(send_kind(987654, SOCKET_BUFFER_MEMORY, malloc(10), 10) == -1);
  CHECK(send_kind(-1, SOCKET_BUFFER_MEMORY, malloc(10), 10) == -1);
  CHECK(send_kind(987654, SOCKET_BUFFER_OBJECT, "object", 0) == -1);
  CHECK(freed_objects == 2);

  /* The list of sockets. */
  int tcp = 0;
  struct socket_info* list = socket_server_info(server);
  for (struct socket_info* info = list; info != NULL; info = info->next) {
    if (info->id == listener) CHECK(info->type == SOCKET_INFO_LISTEN && info->read == 1);
    if (info->id != id) continue;
    ++tcp;
    CHECK(info->type == SOCKET_INFO_TCP && info->read == 5 && info->write == 17);
    CHECK(info->opaque == 22 && info->wbuffer == 0 && info->reading == 1);
  }
  CHECK(tcp == 1);
  socket_info_release(list);

  /* The end of the client's stream is one CLOSE; ours frees the id. */
  CHECK(shutdown(client, SHUT_WR) == 0);
  expect(SOCKET_CLOSE, id);
  socket_server_close(server, 22, id);
  socket_server_close(server, 11, listener);
  expect(SOCKET_CLOSE, listener);
  close(client);

  /* UDP, to itself. */
  const int udp = socket_server_udp_dial(server, 33, "127.0.0.1", port);
  CHECK(udp > 0);
  CHECK(send_kind(udp, SOCKET_BUFFER_RAWPOINTER, "dgram", 5) == 0);
  CHECK(socket_server_udp_send(
            server, NULL, &(struct socket_sendbuffer){udp, SOCKET_BUFFER_MEMORY, malloc(4), 4}) ==
        -1);

  /* Waiting ends when another thread says so. */
  pthread_t other;
  CHECK(pthread_create(&other, NULL, exit_from_elsewhere, NULL) == 0);
  struct socket_message message;
  int more = 1;
  while (socket_server_poll(server, &message, &more) != SOCKET_EXIT) {
  }
  CHECK(pthread_join(other, NULL) == 0);
  socket_server_release(server);
  puts("socket_server_test: ok");
  return 0;
}
