/* What the probe needs beside its own declarations: the old inline forms, which exist in the header
 * only, and what we add to the interface. probe_forms.c is compiled against the real headers. */
#ifndef SKYLOOM_TESTS_PROBE_H
#define SKYLOOM_TESTS_PROBE_H

#include "check.h"

struct socket_object_interface {
  const void* (*buffer)(const void*);
  size_t (*size)(const void*);
  void (*free)(void*);
};
void skyloom_socket_userobject(const struct socket_object_interface*);

void skynet_socket_init(void);
void skynet_socket_exit(void);
void skynet_socket_free(void);
int skynet_socket_poll(void);
void skynet_socket_updatetime(void);

int inline_send(struct skynet_context*, int id, void* buffer, int sz);
int inline_low(struct skynet_context*, int id, void* buffer, int sz);
int inline_udp(struct skynet_context*, int id, const char* address, const void* buffer, int sz);
int set_framing(struct skynet_context*, int id, int framing, size_t frame_bytes_max);

#endif
