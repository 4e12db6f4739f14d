/* Bytes to send and who owns them. */
#ifndef SKYNET_SOCKET_BUFFER_H
#define SKYNET_SOCKET_BUFFER_H

#include <stddef.h>

#define SOCKET_BUFFER_MEMORY 0 /* a skynet_malloc block; the runtime frees it */
#define SOCKET_BUFFER_OBJECT 1 /* a user object; read and freed through socket_object_interface */
#define SOCKET_BUFFER_RAWPOINTER 2 /* the caller's, valid during the call; copied as needed */

struct socket_sendbuffer {
  int id;
  int type;
  const void* buffer;
  size_t sz;
};

#endif
