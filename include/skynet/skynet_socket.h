/* Sockets of services: Skynet's interface, name by name. Nothing here blocks; any thread may call
 * it. `context` only says who owns the socket. What happens later comes to the owner as
 * PTYPE_SOCKET messages: a struct skynet_socket_message, with the text directly behind it when
 * `buffer` is NULL, or with `buffer` a skynet_malloc block that the receiver must free. */
#ifndef SKYNET_SOCKET_H
#define SKYNET_SOCKET_H

#include "skynet.h"
#include "socket_buffer.h"
#include "socket_info.h"

#define SKYNET_SOCKET_TYPE_DATA 1 /* ud: bytes in `buffer` */
#define SKYNET_SOCKET_TYPE_CONNECT \
  2 /* answer to connect, listen (ud: port), bind and start; text */
#define SKYNET_SOCKET_TYPE_CLOSE 3
#define SKYNET_SOCKET_TYPE_ACCEPT 4  /* id: listener, ud: new id, text: peer */
#define SKYNET_SOCKET_TYPE_ERROR 5   /* text: why */
#define SKYNET_SOCKET_TYPE_UDP 6     /* ud: payload bytes; the sender's address behind them */
#define SKYNET_SOCKET_TYPE_WARNING 7 /* ud: KiB queued for output; 0: drained */

#ifdef __cplusplus
extern "C" {
#endif

struct skynet_socket_message {
  int type;
  int id;
  int ud;
  char* buffer;
};

/* The process's engine; a node does these by itself. */
void skynet_socket_init(void);
void skynet_socket_exit(void);
void skynet_socket_free(void);
int skynet_socket_poll(void);
void skynet_socket_updatetime(void);

/* 0: accepted; -1: unknown, closed or closing. The buffer is consumed in both cases. */
int skynet_socket_sendbuffer(struct skynet_context* context, struct socket_sendbuffer* buffer);
int skynet_socket_sendbuffer_lowpriority(struct skynet_context* context,
                                         struct socket_sendbuffer* buffer);

/* An id, or -1. NULL or empty host: 0.0.0.0; port 0: any. Accepts after skynet_socket_start. */
int skynet_socket_listen(struct skynet_context* context, const char* host, int port, int backlog);
/* An id, or -1. Reads by itself. */
int skynet_socket_connect(struct skynet_context* context, const char* host, int port);
/* Watches a descriptor of the caller's, which stays the caller's. An id, or -1. */
int skynet_socket_bind(struct skynet_context* context, int fd);

void skynet_socket_close(struct skynet_context* context, int id); /* queued output is still sent */
void skynet_socket_shutdown(struct skynet_context* context, int id); /* queued output is dropped */
void skynet_socket_start(struct skynet_context* context, int id); /* begin or resume; take over */
void skynet_socket_pause(struct skynet_context* context, int id);
void skynet_socket_nodelay(struct skynet_context* context, int id);

int skynet_socket_udp(struct skynet_context* context, const char* address, int port);
int skynet_socket_udp_connect(struct skynet_context* context, int id, const char* address,
                              int port);
int skynet_socket_udp_dial(struct skynet_context* context, const char* address, int port);
int skynet_socket_udp_listen(struct skynet_context* context, const char* address, int port);
/* `address`: 7 or 19 bytes, as skynet_socket_udp_address gives them. */
int skynet_socket_udp_sendbuffer(struct skynet_context* context, const char* address,
                                 struct socket_sendbuffer* buffer);
const char* skynet_socket_udp_address(struct skynet_socket_message* message, int* address_size);

/* Release it with socket_info_release. */
struct socket_info* skynet_socket_info(void);

/* The older forms: sz >= 0 is a MEMORY buffer, sz < 0 an OBJECT. */
static inline struct socket_sendbuffer skynet_socket_buffer_of(int id, const void* buffer, int sz) {
  struct socket_sendbuffer send;
  send.id = id;
  send.type = sz < 0 ? SOCKET_BUFFER_OBJECT : SOCKET_BUFFER_MEMORY;
  send.buffer = buffer;
  send.sz = sz < 0 ? 0 : (size_t)sz;
  return send;
}
static inline int skynet_socket_send(struct skynet_context* context, int id, void* buffer, int sz) {
  struct socket_sendbuffer send = skynet_socket_buffer_of(id, buffer, sz);
  return skynet_socket_sendbuffer(context, &send);
}
static inline int skynet_socket_send_lowpriority(struct skynet_context* context, int id,
                                                 void* buffer, int sz) {
  struct socket_sendbuffer send = skynet_socket_buffer_of(id, buffer, sz);
  return skynet_socket_sendbuffer_lowpriority(context, &send);
}
static inline int skynet_socket_udp_send(struct skynet_context* context, int id,
                                         const char* address, const void* buffer, int sz) {
  struct socket_sendbuffer send = skynet_socket_buffer_of(id, buffer, sz);
  return skynet_socket_udp_sendbuffer(context, address, &send);
}

#ifdef __cplusplus
}
#endif

#endif
