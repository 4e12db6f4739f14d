/* S-20 to S-22 and the functions for datagrams. */
#include <netdb.h>

#include "engine.h"

static int peer_socket(const char* ip, int* port) {
  struct sockaddr_storage storage;
  socklen_t size = sizeof storage;
  memset(&storage, 0, sizeof storage);
  struct sockaddr_in* v4 = (struct sockaddr_in*)&storage;
  struct sockaddr_in6* v6 = (struct sockaddr_in6*)&storage;
  const int is_v6 = strchr(ip, ':') != NULL;
  storage.ss_family = is_v6 ? AF_INET6 : AF_INET;
  CHECK(inet_pton(storage.ss_family, ip, is_v6 ? (void*)&v6->sin6_addr : (void*)&v4->sin_addr) ==
        1);
  const int fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  CHECK(fd >= 0);
  CHECK(bind(fd, (struct sockaddr*)&storage, is_v6 ? sizeof *v6 : sizeof *v4) == 0);
  CHECK(getsockname(fd, (struct sockaddr*)&storage, &size) == 0);
  *port = ntohs(is_v6 ? v6->sin6_port : v4->sin_port);
  return fd;
}

/* Where a datagram to this name goes: on some systems "localhost" is ::1 before it is 127.0.0.1. */
static const char* first_address(const char* name) {
  static char ip[INET6_ADDRSTRLEN];
  const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
  struct addrinfo* found = NULL;
  CHECK_EQ(getaddrinfo(name, NULL, &hints, &found), 0);
  CHECK_EQ(getnameinfo(found->ai_addr, found->ai_addrlen, ip, sizeof ip, NULL, 0, NI_NUMERICHOST),
           0);
  freeaddrinfo(found);
  return ip;
}

static void peer_send_to(int fd, const char* ip, int port, const char* text) {
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  memset(&v4, 0, sizeof v4);
  memset(&v6, 0, sizeof v6);
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons((uint16_t)port);
  ssize_t sent = 0;
  if (inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1) {
    sent = sendto(fd, text, strlen(text), 0, (struct sockaddr*)&v6, sizeof v6);
  } else {
    CHECK(inet_pton(AF_INET, ip, &v4.sin_addr) == 1);
    sent = sendto(fd, text, strlen(text), 0, (struct sockaddr*)&v4, sizeof v4);
  }
  CHECK_EQ(sent, strlen(text));
}

/* The next datagram of the peer, as text; its sender's port. */
static int peer_receive(int fd, char* into, size_t size) {
  struct sockaddr_storage from;
  socklen_t from_size = sizeof from;
  const ssize_t got = recvfrom(fd, into, size - 1, 0, (struct sockaddr*)&from, &from_size);
  CHECK(got >= 0);
  into[got] = '\0';
  return ntohs(from.ss_family == AF_INET6 ? ((struct sockaddr_in6*)&from)->sin6_port
                                          : ((struct sockaddr_in*)&from)->sin_port);
}

static int send_datagram(int id, const void* address, const char* text) {
  struct socket_sendbuffer send = {id, SOCKET_BUFFER_RAWPOINTER, text, strlen(text)};
  return socket_server_udp_send(server, address, &send);
}

/* Address bytes as in S-20. */
static int address_bytes(char* into, const char* ip, int port) {
  const int is_v6 = strchr(ip, ':') != NULL;
  into[0] = is_v6 ? 2 : 1;
  into[1] = (char)(port >> 8);
  into[2] = (char)(port & 0xff);
  CHECK(inet_pton(is_v6 ? AF_INET6 : AF_INET, ip, into + 3) == 1);
  return is_v6 ? 19 : 7;
}

/* A UDP event with this text; its address bytes must be those of ip and port. */
static void expect_datagram(int id, uintptr_t opaque, const char* text, const char* ip, int port) {
  struct event event = EXPECT_EVENT(SOCKET_UDP, id, opaque, (int)strlen(text), NULL);
  CHECK(memcmp(event.data, text, strlen(text)) == 0);
  struct socket_message message = {event.id, event.opaque, event.ud, event.data};
  int size = -1;
  const struct socket_udp_address* address = socket_server_udp_address(server, &message, &size);
  char wanted[19];
  CHECK_EQ(size, address_bytes(wanted, ip, port));
  CHECK((const char*)address == event.data + event.ud); /* directly behind the payload */
  CHECK(memcmp(address, wanted, (size_t)size) == 0);
  free_event(&event);
}

static void receives_and_answers(const char* ip) {
  int peer_port = 0, spare = 0;
  const int peer = peer_socket(ip, &peer_port);
  close(peer_socket(ip, &spare));
  const int id = socket_server_udp_listen(server, OWNER, ip, spare);
  CHECK(id > 0);
  peer_send_to(peer, ip, spare, "question");
  expect_datagram(id, OWNER, "question", ip, peer_port); /* at once, without start (S-08) */
  char address[19], text[64];
  address_bytes(address, ip, peer_port);
  CHECK_EQ(send_datagram(id, address, "answer"), 0);
  CHECK_EQ(peer_receive(peer, text, sizeof text), spare);
  CHECK_TEXT(text, "answer");
}

TEST(S_20_socket_server_udp_address_of_IPv4_has_7_bytes_and_serves_for_the_answer) {
  receives_and_answers("127.0.0.1");
}
TEST(S_20_socket_server_udp_address_of_IPv6_has_19_bytes_and_serves_for_the_answer) {
  if (has_ipv6()) receives_and_answers("::1");
}

TEST(S_20_an_address_of_the_other_family_is_refused_and_its_buffer_released) {
  if (!has_ipv6()) return;
  int port4 = 0, port6 = 0;
  const int v4 = socket_server_udp(server, OWNER, "127.0.0.1", 0);
  const int v6 = socket_server_udp(server, OWNER, "::1", 0);
  CHECK(v4 > 0 && v6 > 0);
  close(peer_socket("127.0.0.1", &port4));
  close(peer_socket("::1", &port6));
  char to4[19], to6[19];
  address_bytes(to4, "127.0.0.1", port4);
  address_bytes(to6, "::1", port6);
  struct object object = {"object", 6, 0, 0, 0};
  install_objects();
  struct socket_sendbuffer send = {v4, SOCKET_BUFFER_OBJECT, &object, 0};
  CHECK_EQ(socket_server_udp_send(server, (const void*)to6, &send), -1);
  CHECK_EQ(object.frees, 1);
  CHECK_EQ(send_datagram(v6, to4, "lost"), -1);
  CHECK_EQ(send_datagram(v4, to4, "sent"), 0);
  CHECK_EQ(send_datagram(v6, to6, "sent"), 0);
  EXPECT_QUIET();
}

TEST(D_29_an_address_of_no_known_family_is_refused) {
  const int id = socket_server_udp(server, OWNER, "127.0.0.1", 0);
  const char families[] = {0, 3, 4, 'x', -1};
  for (size_t index = 0; index < sizeof families; ++index) {
    char address[19] = {0};
    address[0] = families[index];
    CHECK_EQ(send_datagram(id, address, "lost"), -1);
  }
  CHECK_EQ(send_datagram(id, NULL, "lost"), -1);
  EXPECT_QUIET();
}

TEST(S_21_a_send_goes_to_the_default_destination_of_udp_connect) {
  int port = 0, other_port = 0;
  const int peer = peer_socket("127.0.0.1", &port);
  const int other = peer_socket("127.0.0.1", &other_port);
  const int id = socket_server_udp(server, OWNER, NULL, 0);
  CHECK_EQ(socket_server_udp_connect(server, id, "127.0.0.1", port), 0);
  char text[64];
  CHECK_EQ(send_text(id, "first"), 0);
  peer_receive(peer, text, sizeof text);
  CHECK_TEXT(text, "first");
  CHECK_EQ(socket_server_udp_connect(server, id, "127.0.0.1", other_port), 0); /* changed */
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, text_block("second"), 6), 0);
  const int own_port = peer_receive(other, text, sizeof text);
  CHECK_TEXT(text, "second");
  peer_send_to(peer, "127.0.0.1", own_port, "not filtered"); /* it is no filter */
  expect_datagram(id, OWNER, "not filtered", "127.0.0.1", port);
  char name[64];
  snprintf(name, sizeof name, "127.0.0.1:%d", other_port);
  CHECK_TEXT(find_entry(id).name, name);
}

TEST(S_21_a_send_without_default_destination_is_dropped_and_the_socket_lives) {
  int port = 0;
  const int peer = peer_socket("127.0.0.1", &port);
  const int id = socket_server_udp(server, OWNER, NULL, 0);
  CHECK_EQ(send_text(id, "nowhere"), 0);
  EXPECT_QUIET();
  char address[19], text[64];
  address_bytes(address, "127.0.0.1", port);
  CHECK_EQ(send_datagram(id, address, "somewhere"), 0);
  peer_receive(peer, text, sizeof text);
  CHECK_TEXT(text, "somewhere");
}

TEST(S_21_close_and_shutdown_of_a_datagram_socket_give_CLOSE) {
  const int first = socket_server_udp(server, OWNER, NULL, 0);
  const int second = socket_server_udp(server, OWNER, NULL, 0);
  socket_server_close(server, OTHER_OWNER, first);
  EXPECT_EVENT(SOCKET_CLOSE, first, OWNER, 0, NULL);
  socket_server_shutdown(server, OTHER_OWNER, second);
  EXPECT_EVENT(SOCKET_CLOSE, second, OWNER, 0, NULL);
  CHECK_EQ(send_text(first, "gone"), -1);
  char address[19];
  address_bytes(address, "127.0.0.1", 9);
  CHECK_EQ(send_datagram(second, address, "gone"), -1);
  EXPECT_QUIET();
}

TEST(S_22_what_became_of_an_earlier_datagram_is_no_end_of_the_socket) {
  int port = 0;
  const int peer = peer_socket("127.0.0.1", &port);
  const int id = socket_server_udp_dial(server, OWNER, "127.0.0.1", unused_udp_port());
  for (int round = 0; round < 20; ++round) { /* each is answered with "port unreachable" */
    CHECK_EQ(send_text(id, "to nobody"), 0);
    EXPECT_QUIET();
  }
  CHECK_EQ(socket_server_udp_connect(server, id, "127.0.0.1", port), 0);
  CHECK_EQ(send_text(id, "to somebody"), 0);
  char text[64];
  peer_receive(peer, text, sizeof text);
  CHECK_TEXT(text, "to somebody");
}

/* --- the functions --- */

TEST(socket_server_udp_without_address_and_port_sends_and_receives) {
  int port = 0;
  const int peer = peer_socket("127.0.0.1", &port);
  const int id = socket_server_udp(server, OWNER, NULL, 0);
  char address[19], text[64];
  address_bytes(address, "127.0.0.1", port);
  CHECK_EQ(send_datagram(id, address, "hello"), 0);
  const int own_port = peer_receive(peer, text, sizeof text);
  peer_send_to(peer, "127.0.0.1", own_port, "back");
  expect_datagram(id, OWNER, "back", "127.0.0.1", port);
}

TEST(socket_server_udp_with_a_port_alone_is_bound_on_every_address) {
  int port = 0, spare = 0;
  const int peer = peer_socket("127.0.0.1", &port);
  close(peer_socket("127.0.0.1", &spare));
  const int id = socket_server_udp(server, OWNER, NULL, spare);
  CHECK(id > 0);
  peer_send_to(peer, "127.0.0.1", spare, "hello");
  expect_datagram(id, OWNER, "hello", "127.0.0.1", port);
}

TEST(socket_server_udp_fails_at_once_for_a_numeric_address_that_cannot_be_bound) {
  int port = 0;
  const int peer = peer_socket("127.0.0.1", &port);
  CHECK_EQ(socket_server_udp(server, OWNER, "127.0.0.1", port), -1);
  CHECK_EQ(socket_server_udp(server, OWNER, "203.0.113.7", 0), -1);
  CHECK_EQ(socket_server_udp(server, OWNER, "127.0.0.1", 65536), -1);
  CHECK_EQ(socket_server_udp(server, OWNER, "127.0.0.1", -1), -1);
  EXPECT_QUIET();
  close(peer);
}

TEST(socket_server_udp_by_a_name_receives_and_by_a_wrong_name_gives_one_ERROR) {
  int port = 0;
  const char* const ip = first_address("localhost");
  const int peer = peer_socket(ip, &port);
  const int spare = unused_udp_port();
  const int id = socket_server_udp(server, OWNER, "localhost", spare);
  CHECK(id > 0);
  socket_server_start(server, OWNER, id); /* its answer says that the name was found */
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "transfer");
  peer_send_to(peer, ip, spare, "hello");
  expect_datagram(id, OWNER, "hello", ip, port);
  const int wrong = socket_server_udp(server, OWNER, "no-such-host.invalid", spare);
  CHECK(wrong > 0);
  CHECK(EXPECT_EVENT(SOCKET_ERR, wrong, OWNER, 0, NULL).text[0] != '\0');
  EXPECT_QUIET();
}

TEST(socket_server_udp_listen_refuses_port_0_and_takes_any_other) {
  CHECK_EQ(socket_server_udp_listen(server, OWNER, "127.0.0.1", 0), -1);
  CHECK_EQ(socket_server_udp_listen(server, OWNER, NULL, 0), -1);
  CHECK_EQ(socket_server_udp_listen(server, OWNER, "127.0.0.1", -5), -1);
  CHECK_EQ(socket_server_udp_listen(server, OWNER, "127.0.0.1", 70000), -1);
  CHECK(socket_server_udp_listen(server, OWNER, "127.0.0.1", unused_udp_port()) > 0);
  CHECK(socket_server_udp_listen(server, OWNER, NULL, unused_udp_port()) > 0);
  EXPECT_QUIET();
}

static void dials(const char* host, const char* ip) {
  int port = 0;
  const int peer = peer_socket(ip, &port);
  const int id = socket_server_udp_dial(server, OWNER, host, port);
  CHECK(id > 0);
  CHECK_EQ(send_text(id, "dialed"), 0); /* D-20: at once */
  char text[64];
  struct reader reader; /* a name is found while the engine works */
  reader_start(&reader, peer, 1, 1);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK_EQ(reader.got, 1);
  CHECK_EQ(send_text(id, "again"), 0);
  const int own_port = peer_receive(peer, text, sizeof text);
  CHECK_TEXT(text, "again");
  peer_send_to(peer, ip, own_port, "answer");
  expect_datagram(id, OWNER, "answer", ip, port);
}
TEST(socket_server_udp_dial_sends_to_its_destination) {
  dials("127.0.0.1", "127.0.0.1");
}
TEST(socket_server_udp_dial_opens_the_family_of_the_address) {
  if (has_ipv6()) dials("::1", "::1");
}
TEST(D_20_a_send_right_after_udp_dial_by_name_waits_for_the_name) {
  dials("localhost", first_address("localhost"));
}

TEST(D_20_a_send_right_after_udp_dial_by_a_wrong_name_is_released_with_the_ERROR) {
  struct object object = {"object", 6, 0, 0, 0};
  install_objects();
  const int id = socket_server_udp_dial(server, OWNER, "no-such-host.invalid", 9);
  CHECK(id > 0);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, &object, 0), 0);
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, NULL);
  CHECK_EQ(object.frees, 1);
  EXPECT_QUIET();
}

TEST(socket_server_udp_dial_refuses_nonsense_at_once) {
  CHECK_EQ(socket_server_udp_dial(server, OWNER, NULL, 9), -1);
  CHECK_EQ(socket_server_udp_dial(server, OWNER, "", 9), -1);
  CHECK_EQ(socket_server_udp_dial(server, OWNER, "127.0.0.1", 65536), -1);
  CHECK_EQ(socket_server_udp_dial(server, OWNER, "127.0.0.1", -1), -1);
  EXPECT_QUIET();
}

TEST(socket_server_udp_connect_refuses_what_is_no_datagram_socket_or_another_family) {
  int peer = 0;
  const int tcp = open_pair(OWNER, &peer);
  const int id = socket_server_udp(server, OWNER, "127.0.0.1", 0);
  CHECK_EQ(socket_server_udp_connect(server, tcp, "127.0.0.1", 9), -1);
  CHECK_EQ(socket_server_udp_connect(server, NO_SUCH_ID, "127.0.0.1", 9), -1);
  CHECK_EQ(socket_server_udp_connect(server, 0, "127.0.0.1", 9), -1);
  CHECK_EQ(socket_server_udp_connect(server, -1, "127.0.0.1", 9), -1);
  CHECK_EQ(socket_server_udp_connect(server, id, "::1", 9), -1);
  CHECK_EQ(socket_server_udp_connect(server, id, NULL, 9), -1);
  CHECK_EQ(socket_server_udp_connect(server, id, "127.0.0.1", 65536), -1);
  CHECK_EQ(socket_server_udp_connect(server, id, "127.0.0.1", 9), 0);
  EXPECT_QUIET();
}

TEST(socket_server_udp_connect_to_a_wrong_name_leaves_the_socket_usable) {
  int port = 0;
  const int peer = peer_socket("127.0.0.1", &port);
  const int id = socket_server_udp_dial(server, OWNER, "127.0.0.1", port);
  CHECK_EQ(socket_server_udp_connect(server, id, "no-such-host.invalid", 9), 0);
  EXPECT_QUIET();
  CHECK_EQ(send_text(id, "usable"), 0);
  char text[64];
  peer_receive(peer, text, sizeof text);
  CHECK_TEXT(text, "usable");
}

TEST(socket_server_udp_send_is_refused_by_a_TCP_socket_and_an_unknown_id) {
  int peer = 0;
  const int tcp = open_pair(OWNER, &peer);
  char address[19];
  address_bytes(address, "127.0.0.1", 9);
  CHECK_EQ(send_datagram(tcp, address, "lost"), -1);
  CHECK_EQ(send_datagram(NO_SUCH_ID, address, "lost"), -1);
  CHECK_EQ(send_datagram(0, address, "lost"), -1);
  CHECK_EQ(send_datagram(-1, address, "lost"), -1);
}

TEST(socket_server_udp_send_takes_an_empty_datagram_and_one_is_received) {
  int port = 0;
  const int peer = peer_socket("127.0.0.1", &port);
  const int spare = unused_udp_port();
  const int id = socket_server_udp_listen(server, OWNER, "127.0.0.1", spare);
  char address[19], text[64];
  address_bytes(address, "127.0.0.1", port);
  CHECK_EQ(send_datagram(id, address, ""), 0);
  CHECK_EQ(peer_receive(peer, text, sizeof text), spare);
  CHECK_TEXT(text, "");
  peer_send_to(peer, "127.0.0.1", spare, "");
  expect_datagram(id, OWNER, "", "127.0.0.1", port);
}

TEST(the_largest_datagram_arrives_whole) {
  int port = 0;
  const int peer = peer_socket("127.0.0.1", &port);
  const int spare = unused_udp_port();
  const int id = socket_server_udp_listen(server, OWNER, "127.0.0.1", spare);
  const size_t size = 65507; /* what IPv4 leaves of 65,535 */
  const int room = 1 << 20;
  CHECK(setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) == 0);
  char* bytes = keep(pattern(size, 7));
  char address[19];
  address_bytes(address, "127.0.0.1", port);
  struct socket_sendbuffer send = {id, SOCKET_BUFFER_RAWPOINTER, bytes, size};
  CHECK_EQ(socket_server_udp_send(server, (const void*)address, &send), 0);
  char* received = keep(malloc(size + 1));
  CHECK_EQ(recv(peer, received, size + 1, 0), size);
  CHECK(is_pattern(received, size, 0, 7));
  struct sockaddr_in to;
  memset(&to, 0, sizeof to);
  to.sin_family = AF_INET;
  to.sin_port = htons((uint16_t)spare);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK_EQ(sendto(peer, bytes, size, 0, (struct sockaddr*)&to, sizeof to), size);
  struct event event = EXPECT_EVENT(SOCKET_UDP, id, OWNER, (int)size, NULL);
  CHECK(is_pattern(event.data, size, 0, 7));
  free_event(&event);
}
