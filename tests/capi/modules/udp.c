/* UDP: by dial, by address and by default destination. The argument is an address to listen on; the
 * ports come from the keys udp_port and udp_port2. */
#include "check.h"

struct test {
  const char* host;
  int address_bytes;
  int listener, dialled, unbound;
  int step;
};

static int send_to(struct skynet_context* ctx, int id, const char* address, const char* text) {
  struct send_buffer buffer = {id, RAWPOINTER, text, strlen(text)};
  return skynet_socket_udp_sendbuffer(ctx, address, &buffer);
}

static int is_text(const struct socket_event* event, const char* text) {
  return event->ud == (int)strlen(text) && memcmp(event->buffer, text, strlen(text)) == 0;
}

static void look_at_wrong_addresses(struct skynet_context* ctx, const struct test* t,
                                    const char* good) {
  char wrong[32];
  memcpy(wrong, good, (size_t)t->address_bytes);
  wrong[0] = 9;
  EXPECT("an address of no family is refused", send_to(ctx, t->listener, wrong, "x") == -1);
  struct send_buffer owned = {t->listener, MEMORY, malloc(10), 10};
  EXPECT("and a buffer for it is freed", skynet_socket_udp_sendbuffer(ctx, wrong, &owned) == -1);
  char other[32] = {0};
  other[0] = t->address_bytes == 7 ? 2 : 1;
  send_to(ctx, t->listener, other, "other family"); /* dropped */
}

static void on_listener_udp(struct skynet_context* ctx, struct test* t,
                            struct socket_event* event) {
  int size = 0;
  const char* address = skynet_socket_udp_address(event, &size);
  EXPECT("a datagram knows its sender",
         address == event->buffer + event->ud && size == t->address_bytes);
  EXPECT("the address names its family", address[0] == (size == 7 ? 1 : 2));
  if (t->step == 0) {
    EXPECT("a dialled socket sends to its destination", is_text(event, "ping"));
    look_at_wrong_addresses(ctx, t, address);
    EXPECT("an answer to the address is accepted", send_to(ctx, t->listener, address, "pong") == 0);
  } else {
    EXPECT("udp_connect sets a destination", is_text(event, "by default"));
    skynet_socket_close(ctx, t->listener);
    skynet_socket_close(ctx, t->dialled);
    skynet_socket_close(ctx, t->unbound);
  }
  ++t->step;
}

static void on_dialled_udp(struct skynet_context* ctx, struct test* t,
                           const struct socket_event* event) {
  EXPECT("the answer arrives", is_text(event, "pong"));
  EXPECT("udp_connect is accepted",
         skynet_socket_udp_connect(ctx, t->unbound, t->host, setting(ctx, "udp_port")) == 0);
  EXPECT("a send without address is accepted", send_raw(ctx, t->unbound, "by default", 10) == 0);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  struct test* t = ud;
  (void)source, (void)sz;
  if (is_deadline(ctx, type, session, t->step) || type != SOCKET) return 0;
  struct socket_event* event = (struct socket_event*)(uintptr_t)msg;
  switch (event->type) {
    case UDP:
      if (event->id == t->listener) on_listener_udp(ctx, t, event);
      if (event->id == t->dialled) on_dialled_udp(ctx, t, event);
      free(event->buffer);
      break;
    case CLOSE:
      if (++t->step == 5) {
        EXPECT("every UDP socket has its CLOSE", 1);
        end_test(ctx);
      }
      break;
    default: EXPECT("no other event comes", 0);
  }
  return 0;
}

void* udp_create(void) {
  return calloc(1, sizeof(struct test));
}
void udp_release(void* inst) {
  free(inst);
}

int udp_init(void* inst, struct skynet_context* ctx, const char* parm) {
  struct test* t = inst;
  const int port = setting(ctx, "udp_port");
  t->host = parm != NULL && strcmp(parm, "v6") == 0 ? "::1" : "127.0.0.1";
  t->address_bytes = t->host[0] == ':' ? 19 : 7;
  skynet_callback(ctx, t, on_message);
  start_deadline(ctx);
  t->listener = skynet_socket_udp_listen(ctx, t->host, port);
  t->dialled = skynet_socket_udp_dial(ctx, t->host, port);
  t->unbound = skynet_socket_udp(ctx, t->host, setting(ctx, "udp_port2"));
  EXPECT("UDP sockets have ids", t->listener > 0 && t->dialled > 0 && t->unbound > 0);
  EXPECT("udp_listen refuses port 0", skynet_socket_udp_listen(ctx, t->host, 0) == -1);
  EXPECT("sending at once is legal", send_raw(ctx, t->dialled, "ping", 4) == 0);
  return 0;
}
