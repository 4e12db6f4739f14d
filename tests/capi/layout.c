/* Offsets, sizes and values that prebuilt modules have compiled in. */
#include <stddef.h>
#include <stdint.h>

#include "skynet.h"
#include "skynet_malloc.h"
#include "skynet_socket.h"

#define HAS_VALUE(name, value) _Static_assert((name) == (value), #name)
#define IS_AT(type, field, offset) \
  _Static_assert(offsetof(struct type, field) == (offset), #type "." #field)
#define HAS_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)
#define HAS_TYPE(type, field, field_type)                                            \
  _Static_assert(_Generic(((struct type*)0)->field, field_type: 1, default: 0) == 1, \
                 #type "." #field " is not " #field_type)

HAS_VALUE(PTYPE_TEXT, 0);
HAS_VALUE(PTYPE_RESPONSE, 1);
HAS_VALUE(PTYPE_MULTICAST, 2);
HAS_VALUE(PTYPE_CLIENT, 3);
HAS_VALUE(PTYPE_SYSTEM, 4);
HAS_VALUE(PTYPE_HARBOR, 5);
HAS_VALUE(PTYPE_SOCKET, 6);
HAS_VALUE(PTYPE_ERROR, 7);
HAS_VALUE(PTYPE_RESERVED_QUEUE, 8);
HAS_VALUE(PTYPE_RESERVED_DEBUG, 9);
HAS_VALUE(PTYPE_RESERVED_LUA, 10);
HAS_VALUE(PTYPE_RESERVED_SNAX, 11);
HAS_VALUE(PTYPE_TAG_DONTCOPY, 0x10000);
HAS_VALUE(PTYPE_TAG_ALLOCSESSION, 0x20000);
HAS_VALUE(MESSAGE_TYPE_MASK, SIZE_MAX >> 8);
HAS_VALUE(MESSAGE_TYPE_SHIFT, 56);
HAS_VALUE(HANDLE_MASK, 0xffffff);
HAS_VALUE(HANDLE_REMOTE_SHIFT, 24);
HAS_VALUE(GLOBALNAME_LENGTH, 16);
HAS_VALUE(REMOTE_MAX, 256);

HAS_VALUE(SKYNET_SOCKET_TYPE_DATA, 1);
HAS_VALUE(SKYNET_SOCKET_TYPE_CONNECT, 2);
HAS_VALUE(SKYNET_SOCKET_TYPE_CLOSE, 3);
HAS_VALUE(SKYNET_SOCKET_TYPE_ACCEPT, 4);
HAS_VALUE(SKYNET_SOCKET_TYPE_ERROR, 5);
HAS_VALUE(SKYNET_SOCKET_TYPE_UDP, 6);
HAS_VALUE(SKYNET_SOCKET_TYPE_WARNING, 7);
HAS_VALUE(SOCKET_BUFFER_MEMORY, 0);
HAS_VALUE(SOCKET_BUFFER_OBJECT, 1);
HAS_VALUE(SOCKET_BUFFER_RAWPOINTER, 2);
HAS_VALUE(SOCKET_INFO_UNKNOWN, 0);
HAS_VALUE(SOCKET_INFO_LISTEN, 1);
HAS_VALUE(SOCKET_INFO_TCP, 2);
HAS_VALUE(SOCKET_INFO_UDP, 3);
HAS_VALUE(SOCKET_INFO_BIND, 4);
HAS_VALUE(SOCKET_INFO_CLOSING, 5);

IS_AT(skynet_socket_message, type, 0);
IS_AT(skynet_socket_message, id, 4);
IS_AT(skynet_socket_message, ud, 8);
IS_AT(skynet_socket_message, buffer, 16);
HAS_TYPE(skynet_socket_message, buffer, char*);
HAS_SIZE(skynet_socket_message, 24);

IS_AT(socket_sendbuffer, id, 0);
IS_AT(socket_sendbuffer, type, 4);
IS_AT(socket_sendbuffer, buffer, 8);
IS_AT(socket_sendbuffer, sz, 16);
HAS_TYPE(socket_sendbuffer, buffer, const void*);
HAS_TYPE(socket_sendbuffer, sz, size_t);
HAS_SIZE(socket_sendbuffer, 24);

IS_AT(socket_info, id, 0);
IS_AT(socket_info, type, 4);
IS_AT(socket_info, opaque, 8);
IS_AT(socket_info, read, 16);
IS_AT(socket_info, write, 24);
IS_AT(socket_info, rtime, 32);
IS_AT(socket_info, wtime, 40);
IS_AT(socket_info, wbuffer, 48);
IS_AT(socket_info, reading, 56);
IS_AT(socket_info, writing, 57);
IS_AT(socket_info, name, 58);
IS_AT(socket_info, next, 192);
HAS_TYPE(socket_info, opaque, uint64_t);
HAS_TYPE(socket_info, wbuffer, int64_t);
HAS_TYPE(socket_info, reading, uint8_t);
HAS_SIZE(socket_info, 200);

IS_AT(skynet_message, source, 0);
IS_AT(skynet_message, session, 4);
IS_AT(skynet_message, data, 8);
IS_AT(skynet_message, sz, 16);
HAS_TYPE(skynet_message, source, uint32_t);
HAS_TYPE(skynet_message, session, int);
HAS_SIZE(skynet_message, 24);

IS_AT(remote_name, name, 0);
IS_AT(remote_name, handle, 16);
HAS_SIZE(remote_name, 20);
IS_AT(remote_message, destination, 0);
IS_AT(remote_message, message, 24);
IS_AT(remote_message, sz, 32);
IS_AT(remote_message, type, 40);
HAS_SIZE(remote_message, 48);

/* The allocator's names are macros for the plain ones: that is what modules import. */
#define TEXT_OF(name) #name
#define EXPANDED(name) TEXT_OF(name)
_Static_assert(sizeof EXPANDED(skynet_malloc) == sizeof "malloc", "malloc");
_Static_assert(sizeof EXPANDED(skynet_calloc) == sizeof "calloc", "calloc");
_Static_assert(sizeof EXPANDED(skynet_realloc) == sizeof "realloc", "realloc");
_Static_assert(sizeof EXPANDED(skynet_free) == sizeof "free", "free");
_Static_assert(sizeof EXPANDED(skynet_memalign) == sizeof "memalign", "memalign");
_Static_assert(sizeof EXPANDED(skynet_aligned_alloc) == sizeof "aligned_alloc", "aligned_alloc");
_Static_assert(sizeof EXPANDED(skynet_posix_memalign) == sizeof "posix_memalign", "posix_memalign");

/* Prototypes: a function that is not of this type does not compile here. */
#define IS_FUNCTION(name, ...) \
  _Static_assert(_Generic(&(name), __VA_ARGS__: 1, default: 0) == 1, #name " has another type")
#define POINTER_TO(type) struct type*
typedef struct skynet_context* context;
typedef struct socket_sendbuffer* send_buffer;

IS_FUNCTION(skynet_error, void (*)(context, const char*, ...));
IS_FUNCTION(skynet_command, const char* (*)(context, const char*, const char*));
IS_FUNCTION(skynet_queryname, uint32_t (*)(context, const char*));
IS_FUNCTION(skynet_send, int (*)(context, uint32_t, uint32_t, int, int, void*, size_t));
IS_FUNCTION(skynet_sendname, int (*)(context, uint32_t, const char*, int, int, void*, size_t));
IS_FUNCTION(skynet_isremote, int (*)(context, uint32_t, int*));
IS_FUNCTION(skynet_callback, void (*)(context, void*, skynet_cb));
IS_FUNCTION(skynet_current_handle, uint32_t (*)(void));
IS_FUNCTION(skynet_now, uint64_t (*)(void));
IS_FUNCTION(skynet_debug_memory, void (*)(const char*));
IS_FUNCTION(skynet_lalloc, void* (*)(void*, size_t, size_t));
IS_FUNCTION(skynet_socket_init, void (*)(void));
IS_FUNCTION(skynet_socket_exit, void (*)(void));
IS_FUNCTION(skynet_socket_free, void (*)(void));
IS_FUNCTION(skynet_socket_poll, int (*)(void));
IS_FUNCTION(skynet_socket_updatetime, void (*)(void));
IS_FUNCTION(skynet_socket_sendbuffer, int (*)(context, send_buffer));
IS_FUNCTION(skynet_socket_sendbuffer_lowpriority, int (*)(context, send_buffer));
IS_FUNCTION(skynet_socket_listen, int (*)(context, const char*, int, int));
IS_FUNCTION(skynet_socket_connect, int (*)(context, const char*, int));
IS_FUNCTION(skynet_socket_bind, int (*)(context, int));
IS_FUNCTION(skynet_socket_close, void (*)(context, int));
IS_FUNCTION(skynet_socket_shutdown, void (*)(context, int));
IS_FUNCTION(skynet_socket_start, void (*)(context, int));
IS_FUNCTION(skynet_socket_pause, void (*)(context, int));
IS_FUNCTION(skynet_socket_nodelay, void (*)(context, int));
IS_FUNCTION(skynet_socket_udp, int (*)(context, const char*, int));
IS_FUNCTION(skynet_socket_udp_connect, int (*)(context, int, const char*, int));
IS_FUNCTION(skynet_socket_udp_dial, int (*)(context, const char*, int));
IS_FUNCTION(skynet_socket_udp_listen, int (*)(context, const char*, int));
IS_FUNCTION(skynet_socket_udp_sendbuffer, int (*)(context, const char*, send_buffer));
IS_FUNCTION(skynet_socket_udp_address, const char* (*)(struct skynet_socket_message*, int*));
IS_FUNCTION(skynet_socket_info, POINTER_TO(socket_info) (*)(void));
IS_FUNCTION(socket_info_release, void (*)(POINTER_TO(socket_info)));
IS_FUNCTION(skynet_socket_send, int (*)(context, int, void*, int));
IS_FUNCTION(skynet_socket_send_lowpriority, int (*)(context, int, void*, int));
IS_FUNCTION(skynet_socket_udp_send, int (*)(context, int, const char*, const void*, int));
