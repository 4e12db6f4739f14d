#include "faults.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

struct fault {
  atomic_int count, code;
};
static struct fault accepts, sends, receives;
static atomic_int failures;

static void arm(struct fault* fault, int count, int code) {
  atomic_store(&fault->code, code);
  atomic_store(&fault->count, count);
}
void fail_accepts(int count, int code) {
  arm(&accepts, count, code);
}
void fail_sends(int count, int code) {
  arm(&sends, count, code);
}
void fail_receives(int count, int code) {
  arm(&receives, count, code);
}
int failed_calls(void) {
  return atomic_load(&failures);
}

static int is_failing(struct fault* fault) {
  int left = atomic_load(&fault->count);
  while (left > 0 && !atomic_compare_exchange_weak(&fault->count, &left, left - 1)) {
  }
  if (left <= 0) return 0;
  atomic_fetch_add(&failures, 1);
  errno = atomic_load(&fault->code);
  return 1;
}

/* The C library's function behind ours. ISO C has no cast from a data to a function pointer. */
static void find_next(void* function, const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  memcpy(function, &found, sizeof found);
}

/* Under another name for the compiler: the library's headers hide a union in the parameters. */
int failing_accept4(int fd, void* address, void* size, int flags) __asm__("accept4");
ssize_t failing_recvfrom(int fd, void* bytes, size_t size, int flags, void* from,
                         void* from_size) __asm__("recvfrom");

int failing_accept4(int fd, void* address, void* size, int flags) {
  int (*next)(int, void*, void*, int);
  find_next(&next, "accept4");
  return is_failing(&accepts) ? -1 : next(fd, address, size, flags);
}
ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  ssize_t (*next)(int, const void*, size_t, int);
  find_next(&next, "send");
  return is_failing(&sends) ? -1 : next(fd, bytes, size, flags);
}
ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
  ssize_t (*next)(int, const struct msghdr*, int);
  find_next(&next, "sendmsg");
  return is_failing(&sends) ? -1 : next(fd, message, flags);
}
ssize_t recv(int fd, void* bytes, size_t size, int flags) {
  ssize_t (*next)(int, void*, size_t, int);
  find_next(&next, "recv");
  return is_failing(&receives) ? -1 : next(fd, bytes, size, flags);
}
ssize_t recvmsg(int fd, struct msghdr* message, int flags) {
  ssize_t (*next)(int, struct msghdr*, int);
  find_next(&next, "recvmsg");
  return is_failing(&receives) ? -1 : next(fd, message, flags);
}
ssize_t failing_recvfrom(int fd, void* bytes, size_t size, int flags, void* from, void* from_size) {
  ssize_t (*next)(int, void*, size_t, int, void*, void*);
  find_next(&next, "recvfrom");
  return is_failing(&receives) ? -1 : next(fd, bytes, size, flags, from, from_size);
}

/* --- names --- */

static pthread_mutex_t names_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t names_changed = PTHREAD_COND_INITIALIZER;
static int names_go = 0, names_hanging = 0;

void let_names_go(void) {
  pthread_mutex_lock(&names_mutex);
  names_go = 1;
  pthread_cond_broadcast(&names_changed);
  pthread_mutex_unlock(&names_mutex);
}

/* Names that hang at this moment; waits until there is one. */
int hanging_names(void) {
  pthread_mutex_lock(&names_mutex);
  while (names_hanging == 0) pthread_cond_wait(&names_changed, &names_mutex);
  const int count = names_hanging;
  pthread_mutex_unlock(&names_mutex);
  return count;
}

static void hang(void) {
  pthread_mutex_lock(&names_mutex);
  ++names_hanging;
  pthread_cond_broadcast(&names_changed);
  while (!names_go) pthread_cond_wait(&names_changed, &names_mutex);
  --names_hanging;
  pthread_mutex_unlock(&names_mutex);
}

int getaddrinfo(const char* restrict host, const char* restrict service,
                const struct addrinfo* restrict hints, struct addrinfo** restrict list) {
  int (*next)(const char*, const char*, const struct addrinfo*, struct addrinfo**);
  find_next(&next, "getaddrinfo");
  if (strcmp(host, "hang.test") == 0) {
    hang();
    return next("127.0.0.1", service, hints, list);
  }
  struct in6_addr numeric;
  const int is_known = strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &numeric) == 1 ||
                       inet_pton(AF_INET6, host, &numeric) == 1;
  if (is_known) return next(host, service, hints, list);
  if (strcmp(host, "two.test") != 0) return EAI_NONAME; /* no test asks a real name server */
  const int failed = next("127.0.0.2", service, hints, list);
  if (failed != 0) return failed;
  return next("127.0.0.1", service, hints, &(*list)->ai_next);
}
