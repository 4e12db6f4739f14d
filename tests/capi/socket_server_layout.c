/* Offsets, sizes and values of the stand-alone socket layer. */
#include <stddef.h>
#include <stdint.h>

#include "socket_server.h"

#define HAS_VALUE(name, value) _Static_assert((name) == (value), #name)
#define IS_AT(type, field, offset) \
  _Static_assert(offsetof(struct type, field) == (offset), #type "." #field)
#define IS_FUNCTION(name, ...) \
  _Static_assert(_Generic(&(name), __VA_ARGS__: 1, default: 0) == 1, #name " has another type")

HAS_VALUE(SOCKET_DATA, 0);
HAS_VALUE(SOCKET_CLOSE, 1);
HAS_VALUE(SOCKET_OPEN, 2);
HAS_VALUE(SOCKET_ACCEPT, 3);
HAS_VALUE(SOCKET_ERR, 4);
HAS_VALUE(SOCKET_EXIT, 5);
HAS_VALUE(SOCKET_UDP, 6);
HAS_VALUE(SOCKET_WARNING, 7);
HAS_VALUE(SOCKET_RST, 8);
HAS_VALUE(SOCKET_MORE, 9);

IS_AT(socket_message, id, 0);
IS_AT(socket_message, opaque, 8);
IS_AT(socket_message, ud, 16);
IS_AT(socket_message, data, 24);
_Static_assert(sizeof(struct socket_message) == 32, "socket_message");
_Static_assert(sizeof(struct socket_object_interface) == 24, "socket_object_interface");
IS_AT(socket_object_interface, buffer, 0);
IS_AT(socket_object_interface, size, 8);
IS_AT(socket_object_interface, free, 16);

#define POINTER_TO(type) struct type*
typedef struct socket_server* server;
typedef struct socket_message* message;
typedef struct socket_sendbuffer* send_buffer;
typedef const struct socket_udp_address* udp_address;

IS_FUNCTION(socket_server_create, server (*)(uint64_t));
IS_FUNCTION(socket_server_release, void (*)(server));
IS_FUNCTION(socket_server_updatetime, void (*)(server, uint64_t));
IS_FUNCTION(socket_server_poll, int (*)(server, message, int*));
IS_FUNCTION(socket_server_exit, void (*)(server));
IS_FUNCTION(socket_server_close, void (*)(server, uintptr_t, int));
IS_FUNCTION(socket_server_shutdown, void (*)(server, uintptr_t, int));
IS_FUNCTION(socket_server_start, void (*)(server, uintptr_t, int));
IS_FUNCTION(socket_server_pause, void (*)(server, uintptr_t, int));
IS_FUNCTION(socket_server_send, int (*)(server, send_buffer));
IS_FUNCTION(socket_server_send_lowpriority, int (*)(server, send_buffer));
IS_FUNCTION(socket_server_listen, int (*)(server, uintptr_t, const char*, int, int));
IS_FUNCTION(socket_server_connect, int (*)(server, uintptr_t, const char*, int));
IS_FUNCTION(socket_server_bind, int (*)(server, uintptr_t, int));
IS_FUNCTION(socket_server_nodelay, void (*)(server, int));
IS_FUNCTION(socket_server_udp, int (*)(server, uintptr_t, const char*, int));
IS_FUNCTION(socket_server_udp_dial, int (*)(server, uintptr_t, const char*, int));
IS_FUNCTION(socket_server_udp_listen, int (*)(server, uintptr_t, const char*, int));
IS_FUNCTION(socket_server_udp_connect, int (*)(server, int, const char*, int));
IS_FUNCTION(socket_server_udp_send, int (*)(server, udp_address, send_buffer));
IS_FUNCTION(socket_server_udp_address, udp_address (*)(server, message, int*));
IS_FUNCTION(socket_server_userobject, void (*)(server, struct socket_object_interface*));
IS_FUNCTION(socket_server_info, POINTER_TO(socket_info) (*)(server));
