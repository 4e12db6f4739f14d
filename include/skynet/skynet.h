/* Services in C: Skynet's interface, name by name.
 *
 * A service is a shared object, found through the config key `cpath`, that exports
 *   void *NAME_create(void);                                              optional
 *   int   NAME_init(void *inst, struct skynet_context *, const char *parm);   0 = success
 *   void  NAME_release(void *inst);                                       optional
 *   void  NAME_signal(void *inst, int signal);                            optional, any thread
 *
 * Functions that take a context are for the context's own callback, _init and _release, except
 * skynet_error, skynet_send without PTYPE_TAG_ALLOCSESSION and everything in skynet_socket.h, which
 * any thread may call. Times are in centiseconds. */
#ifndef SKYNET_H
#define SKYNET_H

#include <stddef.h>
#include <stdint.h>

#include "skynet_malloc.h"

#define PTYPE_TEXT 0
#define PTYPE_RESPONSE 1
#define PTYPE_MULTICAST 2
#define PTYPE_CLIENT 3
#define PTYPE_SYSTEM 4
#define PTYPE_HARBOR 5
#define PTYPE_SOCKET 6
#define PTYPE_ERROR 7
#define PTYPE_RESERVED_QUEUE 8
#define PTYPE_RESERVED_DEBUG 9
#define PTYPE_RESERVED_LUA 10
#define PTYPE_RESERVED_SNAX 11

/* Or-ed into a type. DONTCOPY: `msg` is a skynet_malloc block that the runtime owns from the call
 * on, also when the call fails. ALLOCSESSION: the runtime chooses the session; the argument must be
 * 0. */
#define PTYPE_TAG_DONTCOPY 0x10000
#define PTYPE_TAG_ALLOCSESSION 0x20000

#ifdef __cplusplus
extern "C" {
#endif

struct skynet_context;

/* A log line, as printf; from any thread, `context` may be NULL. The format "%*s" with (int, const
 * char *) logs that many bytes as they are. */
void skynet_error(struct skynet_context* context, const char* format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* A text command, as in Skynet. NULL: nothing to tell, unknown or malformed. The result is valid
 * until the next command of the same context; of GETENV for ever. */
const char* skynet_command(struct skynet_context* context, const char* command,
                           const char* parameter);

/* ":hex" to its number, without looking whether it lives; ".name" to its handle, or 0. */
uint32_t skynet_queryname(struct skynet_context* context, const char* name);

/* Returns the session, -1 when there is no such service, -2 when the payload is too large. `source`
 * 0 is the context itself. The payload is copied unless PTYPE_TAG_DONTCOPY is set. */
int skynet_send(struct skynet_context* context, uint32_t source, uint32_t destination, int type,
                int session, void* msg, size_t sz);
/* The same to ":hex", ".local" or a global name. */
int skynet_sendname(struct skynet_context* context, uint32_t source, const char* destination,
                    int type, int session, void* msg, size_t sz);

/* 1 when the handle is another node's; *harbor, if not NULL, gets the node's number. */
int skynet_isremote(struct skynet_context* context, uint32_t handle, int* harbor);

/* Returns 0: the runtime frees `msg`; 1: the service keeps it and frees it later with skynet_free.
 */
typedef int (*skynet_cb)(struct skynet_context* context, void* ud, int type, int session,
                         uint32_t source, const void* msg, size_t sz);
/* From the next message on. Without a callback messages are dropped. */
void skynet_callback(struct skynet_context* context, void* ud, skynet_cb cb);

/* Handle of the service that runs on this thread. */
uint32_t skynet_current_handle(void);
/* Centiseconds since start plus the sub-second part of the wall clock at start; monotonic. */
uint64_t skynet_now(void);
/* Prints the current service and the memory of the process to stderr. */
void skynet_debug_memory(const char* info);

/* Semi-public: used by a few C services. */
int skynet_timeout(uint32_t handle, int time, int session);
uint32_t skynet_starttime(void);
uint64_t skynet_thread_time(void); /* processor time of the calling thread, microseconds */
const char* skynet_getenv(const char* key);
void skynet_setenv(const char* key, const char* value);

/* A message as it lies in a mailbox: the type in the top 8 bits of `sz`. */
struct skynet_message {
  uint32_t source;
  int session;
  void* data;
  size_t sz;
};
#define MESSAGE_TYPE_MASK (SIZE_MAX >> 8)
#define MESSAGE_TYPE_SHIFT ((sizeof(size_t) - 1) * 8)

/* The service's own handle, and a session that it has not used for long: 1 to 2^31-1. */
uint32_t skynet_context_handle(struct skynet_context* context);
int skynet_context_newsession(struct skynet_context* context);
/* 0, or -1 when the service is gone: the caller keeps the data. Any thread. */
int skynet_context_push(uint32_t handle, struct skynet_message* message);
/* Nodes: the high 8 bits of a handle. */
#define HANDLE_MASK 0xffffff
#define HANDLE_REMOTE_SHIFT 24
#define GLOBALNAME_LENGTH 16
#define REMOTE_MAX 256

struct remote_name {
  char name[GLOBALNAME_LENGTH];
  uint32_t handle;
};
struct remote_message {
  struct remote_name destination;
  const void* message;
  size_t sz;
  int type;
};
/* Declares `context`, a struct skynet_context *, the harbor: it does not keep the process alive. */
void skynet_harbor_start(void* context);

#ifdef __cplusplus
}
#endif

#endif
