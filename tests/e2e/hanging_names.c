/* Preloaded into a node: lookups of names below example.invalid never end, as with a name server
 * that does not answer and a resolver that never gives up. Everything else is looked up as usual.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

typedef int (*getaddrinfo_fn)(const char*, const char*, const struct addrinfo*, struct addrinfo**);

int getaddrinfo(const char* node, const char* service, const struct addrinfo* hints,
                struct addrinfo** result) {
  if (node != NULL && strstr(node, ".example.invalid") != NULL) {
    for (;;) pause();
  }
  getaddrinfo_fn next;
  *(void**)&next = dlsym(RTLD_NEXT, "getaddrinfo");
  return next(node, service, hints, result);
}
