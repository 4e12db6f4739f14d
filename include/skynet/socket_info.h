/* What is known of one socket; a list of snapshots. */
#ifndef SKYNET_SOCKET_INFO_H
#define SKYNET_SOCKET_INFO_H

#include <stdint.h>

#define SOCKET_INFO_UNKNOWN 0
#define SOCKET_INFO_LISTEN 1
#define SOCKET_INFO_TCP 2
#define SOCKET_INFO_UDP 3
#define SOCKET_INFO_BIND 4
#define SOCKET_INFO_CLOSING 5 /* half-closed */

struct socket_info {
  int id;
  int type;
  uint64_t opaque;
  uint64_t read;  /* bytes; of a listener: accepted connections */
  uint64_t write; /* bytes */
  uint64_t rtime; /* centiseconds */
  uint64_t wtime;
  int64_t wbuffer; /* bytes accepted and not yet given to the system */
  uint8_t reading;
  uint8_t writing;
  char name[128]; /* "ip:port": own address of a listener, else the peer's */
  struct socket_info* next;
};

#ifdef __cplusplus
extern "C" {
#endif

/* Frees a whole list; NULL is an empty one. */
void socket_info_release(struct socket_info* list);

#ifdef __cplusplus
}
#endif

#endif
