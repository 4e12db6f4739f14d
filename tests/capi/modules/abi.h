/* The C interface as a prebuilt foreign module knows it: names, layouts and values written down
 * here once more, on purpose without the headers of include/skynet. A change that breaks old
 * modules breaks the tests that are compiled against this. */
#ifndef SKYLOOM_TESTS_ABI_H
#define SKYLOOM_TESTS_ABI_H

#include <stddef.h>
#include <stdint.h>

struct skynet_context;
typedef int (*message_cb)(struct skynet_context*, void* ud, int type, int session, uint32_t source,
                          const void* msg, size_t sz);

void skynet_error(struct skynet_context*, const char* format, ...)
    __attribute__((format(printf, 2, 3)));
const char* skynet_command(struct skynet_context*, const char* command, const char* parameter);
uint32_t skynet_queryname(struct skynet_context*, const char* name);
int skynet_send(struct skynet_context*, uint32_t source, uint32_t destination, int type,
                int session, void* msg, size_t sz);
int skynet_sendname(struct skynet_context*, uint32_t source, const char* destination, int type,
                    int session, void* msg, size_t sz);
int skynet_isremote(struct skynet_context*, uint32_t handle, int* harbor);
void skynet_callback(struct skynet_context*, void* ud, message_cb);
uint32_t skynet_current_handle(void);
uint64_t skynet_now(void);
int skynet_timeout(uint32_t handle, int time, int session);
uint32_t skynet_starttime(void);
uint64_t skynet_thread_time(void);
const char* skynet_getenv(const char* key);
void skynet_setenv(const char* key, const char* value);
char* skynet_strdup(const char* text);
void* skynet_lalloc(void* block, size_t osize, size_t nsize);
size_t malloc_used_memory(void);
size_t malloc_memory_block(void);

enum { TEXT = 0, RESPONSE = 1, CLIENT = 3, SYSTEM = 4, SOCKET = 6, ERROR = 7 };
enum { DONTCOPY = 0x10000, ALLOCSESSION = 0x20000 };

/* A message as it lies in a mailbox: the type in the top 8 bits of sz. */
struct mailbox_message {
  uint32_t source;
  int session;
  void* data;
  size_t sz;
};
int skynet_context_push(uint32_t handle, struct mailbox_message*);

struct socket_event {
  int type;
  int id;
  int ud;
  char* buffer;
};
enum { DATA = 1, CONNECT, CLOSE, ACCEPT, SOCKET_ERROR, UDP, WARNING };

struct send_buffer {
  int id;
  int type;
  const void* buffer;
  size_t sz;
};
enum { MEMORY = 0, OBJECT = 1, RAWPOINTER = 2 };

struct socket_entry {
  int id;
  int type;
  uint64_t opaque;
  uint64_t read;
  uint64_t write;
  uint64_t rtime;
  uint64_t wtime;
  int64_t wbuffer;
  uint8_t reading;
  uint8_t writing;
  char name[128];
  struct socket_entry* next;
};
enum { LISTEN_ENTRY = 1, TCP_ENTRY, UDP_ENTRY, BIND_ENTRY, CLOSING_ENTRY };

int skynet_socket_sendbuffer(struct skynet_context*, struct send_buffer*);
int skynet_socket_sendbuffer_lowpriority(struct skynet_context*, struct send_buffer*);
int skynet_socket_listen(struct skynet_context*, const char* host, int port, int backlog);
int skynet_socket_connect(struct skynet_context*, const char* host, int port);
int skynet_socket_bind(struct skynet_context*, int fd);
void skynet_socket_close(struct skynet_context*, int id);
void skynet_socket_shutdown(struct skynet_context*, int id);
void skynet_socket_start(struct skynet_context*, int id);
void skynet_socket_pause(struct skynet_context*, int id);
void skynet_socket_nodelay(struct skynet_context*, int id);
int skynet_socket_udp(struct skynet_context*, const char* address, int port);
int skynet_socket_udp_connect(struct skynet_context*, int id, const char* address, int port);
int skynet_socket_udp_dial(struct skynet_context*, const char* address, int port);
int skynet_socket_udp_listen(struct skynet_context*, const char* address, int port);
int skynet_socket_udp_sendbuffer(struct skynet_context*, const char* address, struct send_buffer*);
/* skynet_socket_message and socket_info by their own names, which are those of the interface. */
const char* skynet_socket_udp_address(struct socket_event*, int* address_size);
struct socket_entry* skynet_socket_info(void);
void socket_info_release(struct socket_entry*);

#endif
