/* The socket engine on its own, without services: Skynet's interface, name by name. A program that
 * links only this part needs no node. It may define skynet_error(); otherwise complaints go to
 * stderr. `opaque` is the owner's tag, chosen by the user. */
#ifndef SKYNET_SOCKET_SERVER_H
#define SKYNET_SOCKET_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "socket_buffer.h"
#include "socket_info.h"

#define SOCKET_DATA 0 /* ud: bytes; data: a skynet_malloc block, now the caller's */
#define SOCKET_CLOSE 1
#define SOCKET_OPEN 2   /* data: text, valid until the next poll; ud: port of a listener */
#define SOCKET_ACCEPT 3 /* ud: new id; data: peer, valid until the next poll */
#define SOCKET_ERR 4    /* data: text, valid until the next poll */
#define SOCKET_EXIT 5
#define SOCKET_UDP 6     /* ud: payload bytes; data: block as for SOCKET_DATA, address behind it */
#define SOCKET_WARNING 7 /* ud: KiB queued; 0: drained */
#define SOCKET_RST 8     /* never returned */
#define SOCKET_MORE 9    /* never returned */

#ifdef __cplusplus
extern "C" {
#endif

struct socket_server;
struct socket_udp_address;

struct socket_message {
  int id;
  uintptr_t opaque;
  int ud;
  char* data;
};

/* How OBJECT buffers are read (any number of times) and freed (once); any thread. */
struct socket_object_interface {
  const void* (*buffer)(const void*);
  size_t (*size)(const void*);
  void (*free)(void*);
};

/* NULL on failure. `time` (centiseconds) is the start of the clock of the statistics. */
struct socket_server* socket_server_create(uint64_t time);
/* After the poll loop has ended. */
void socket_server_release(struct socket_server* server);
void socket_server_updatetime(struct socket_server* server, uint64_t time);

/* Waits for the next event and returns its SOCKET_ type. One thread only. *more is set to 0 when
 * the call had to wait for new events, and left alone otherwise. */
int socket_server_poll(struct socket_server* server, struct socket_message* result, int* more);
/* Makes poll return SOCKET_EXIT once. */
void socket_server_exit(struct socket_server* server);

/* The rest may be called on any thread. Semantics: skynet_socket.h. */
void socket_server_close(struct socket_server* server, uintptr_t opaque, int id);
void socket_server_shutdown(struct socket_server* server, uintptr_t opaque, int id);
void socket_server_start(struct socket_server* server, uintptr_t opaque, int id);
void socket_server_pause(struct socket_server* server, uintptr_t opaque, int id);
int socket_server_send(struct socket_server* server, struct socket_sendbuffer* buffer);
int socket_server_send_lowpriority(struct socket_server* server, struct socket_sendbuffer* buffer);
int socket_server_listen(struct socket_server* server, uintptr_t opaque, const char* address,
                         int port, int backlog);
int socket_server_connect(struct socket_server* server, uintptr_t opaque, const char* address,
                          int port);
int socket_server_bind(struct socket_server* server, uintptr_t opaque, int fd);
void socket_server_nodelay(struct socket_server* server, int id);

int socket_server_udp(struct socket_server* server, uintptr_t opaque, const char* address,
                      int port);
int socket_server_udp_connect(struct socket_server* server, int id, const char* address, int port);
int socket_server_udp_dial(struct socket_server* server, uintptr_t opaque, const char* address,
                           int port);
int socket_server_udp_listen(struct socket_server* server, uintptr_t opaque, const char* address,
                             int port);
/* `address` NULL is refused: socket_server_send goes to the default destination. */
int socket_server_udp_send(struct socket_server* server, const struct socket_udp_address* address,
                           struct socket_sendbuffer* buffer);
const struct socket_udp_address* socket_server_udp_address(struct socket_server* server,
                                                           struct socket_message* message,
                                                           int* address_size);

/* Before the first OBJECT is sent; copied. */
void socket_server_userobject(struct socket_server* server,
                              struct socket_object_interface* interface);
/* Release it with socket_info_release. */
struct socket_info* socket_server_info(struct socket_server* server);

#ifdef __cplusplus
}
#endif

#endif
