/* D-11, D-12, D-16: names that are looked up, addresses that are tried, and close meanwhile. */
#include "engine.h"
#include "faults.h"

TEST(D_11_a_hanging_lookup_delays_no_other_socket_and_no_other_name) {
  int peer = 0, port = 0;
  const int id = open_pair(OWNER, &peer);
  const int listener = peer_listen(&port);
  int waiting[60];
  for (int index = 0; index < 60; ++index) {
    waiting[index] = socket_server_connect(server, OWNER, "hang.test", port);
    CHECK(waiting[index] > 0); /* the id comes first */
  }
  CHECK(hanging_names() >= 1);
  for (int round = 0; round < 20; ++round) {
    peer_write(peer, "ping");
    EXPECT_DATA(id, OWNER, "ping");
    CHECK_EQ(send_text(id, "pong"), 0);
    peer_expect(peer, "pong");
  }
  const int numeric = socket_server_connect(server, OWNER, "127.0.0.1", port);
  EXPECT_EVENT(SOCKET_OPEN, numeric, OWNER, 0, "127.0.0.1");
  const int other = socket_server_connect(server, OWNER, "localhost", port);
  EXPECT_EVENT(SOCKET_OPEN, other, OWNER, 0, "127.0.0.1");
  for (int index = 0; index < 60; ++index) { /* and it can be abandoned */
    socket_server_close(server, OWNER, waiting[index]);
    EXPECT_EVENT(SOCKET_CLOSE, waiting[index], OWNER, 0, NULL);
  }
  let_names_go();
  EXPECT_QUIET();
  close(listener);
}

TEST(D_11_lookups_for_listen_and_datagrams_hang_without_harm_too) {
  const int listener = socket_server_listen(server, OWNER, "hang.test", 0, 4);
  const int bound = socket_server_udp(server, OWNER, "hang.test", unused_udp_port());
  const int dialed = socket_server_udp_dial(server, OWNER, "hang.test", unused_udp_port());
  const int plain = socket_server_udp(server, OWNER, NULL, 0);
  CHECK(listener > 0 && bound > 0 && dialed > 0 && plain > 0);
  CHECK_EQ(socket_server_udp_connect(server, plain, "hang.test", 9), 0);
  EXPECT_QUIET();
  let_names_go();
  EXPECT_EVENT(SOCKET_OPEN, listener, OWNER, UD_ANY, "127.0.0.1");
}

TEST(D_11_a_lookup_that_never_answers_ends_with_an_ERROR_that_names_its_deadline) {
  const int id = socket_server_connect(server, OWNER, "hang.test", 80);
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, "dns timeout");
  let_names_go(); /* the late answer is ignored */
  EXPECT_QUIET();
  CHECK_EQ(send_text(id, "gone"), -1);
}

TEST(D_11_the_engine_can_be_released_while_a_lookup_hangs) {
  CHECK(socket_server_connect(server, OWNER, "hang.test", 80) > 0);
  CHECK(hanging_names() == 1);
  socket_server_release(server);
  let_names_go();
  server = socket_server_create(0);
}

TEST(D_12_connect_goes_on_to_the_next_address_when_one_refuses) {
  int port = 0;
  const int listener = peer_listen(&port); /* on 127.0.0.1, the second address */
  const int id = socket_server_connect(server, OWNER, "two.test", port);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "127.0.0.1");
  const int peer = peer_accept(listener);
  CHECK_EQ(send_text(id, "here"), 0);
  peer_expect(peer, "here");
}

TEST(D_12_the_ERROR_of_a_connect_is_that_of_the_last_address) {
  const int id = socket_server_connect(server, OWNER, "two.test", refusing_port());
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, strerror(ECONNREFUSED));
  EXPECT_QUIET();
}

TEST(D_12_connect_goes_on_to_the_next_address_when_one_is_silent) {
  /* On 127.0.0.2 a listener whose queue is full: it does not answer at all. */
  int port = 0;
  const int listener = peer_listen(&port);
  struct sockaddr_in silent;
  memset(&silent, 0, sizeof silent);
  silent.sin_family = AF_INET;
  silent.sin_port = htons((uint16_t)port);
  CHECK(inet_pton(AF_INET, "127.0.0.2", &silent.sin_addr) == 1);
  const int full = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(bind(full, (struct sockaddr*)&silent, sizeof silent) == 0);
  CHECK(listen(full, 0) == 0);
  for (int index = 0; index < 4; ++index) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(connect(fd, (struct sockaddr*)&silent, sizeof silent) == 0 || errno == EINPROGRESS);
  }
  const int id = socket_server_connect(server, OWNER, "two.test", port);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "127.0.0.1");
  close(listener);
}

TEST(D_16_close_while_connecting_with_output_waits_for_the_connection_and_delivers) {
  int port = 0;
  const int listener = peer_listen(&port);
  const int id = socket_server_connect(server, OWNER, "hang.test", port);
  CHECK_EQ(send_text(id, "last will"), 0);
  socket_server_close(server, OWNER, id);
  CHECK_EQ(send_text(id, "too late"), -1);
  EXPECT_QUIET(); /* not yet */
  let_names_go();
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL); /* and no OPEN */
  const int peer = peer_accept(listener);
  peer_expect(peer, "last will");
  peer_expect_end(peer);
  close(peer);
  EXPECT_QUIET();
}

TEST(D_16_close_while_connecting_with_output_ends_in_one_ERROR_when_the_connect_fails) {
  struct object object = {"object", 6, 0, 0, 0};
  install_objects();
  const int id = socket_server_connect(server, OWNER, "hang.test", refusing_port());
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, &object, 0), 0);
  socket_server_close(server, OWNER, id);
  EXPECT_QUIET();
  let_names_go();
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, strerror(ECONNREFUSED));
  CHECK_EQ(object.frees, 1);
  EXPECT_QUIET();
}

TEST(D_16_close_while_connecting_without_output_gives_up_at_once) {
  const int id = socket_server_connect(server, OWNER, "hang.test", 80);
  socket_server_close(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  let_names_go();
  EXPECT_QUIET();
}

TEST(D_16_shutdown_while_connecting_with_output_gives_up_at_once) {
  const int id = socket_server_connect(server, OWNER, "hang.test", 80);
  CHECK_EQ(send_text(id, "lost"), 0);
  socket_server_close(server, OWNER, id);
  EXPECT_QUIET();
  socket_server_shutdown(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  let_names_go();
  EXPECT_QUIET();
}
