/* The functions of socket_server.h one by one, S-18, S-19 and S-25: creation, answers, texts. */
#include <netinet/tcp.h>
#include <sys/resource.h>

#include "engine.h"

/* --- the server itself --- */

TEST(socket_server_create_gives_independent_engines) {
  struct socket_server* other = socket_server_create(0);
  CHECK(other != NULL && other != server);
  const int id = socket_server_listen(server, OWNER, "127.0.0.1", 0, 4);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, UD_ANY, "127.0.0.1");
  CHECK(socket_server_info(other) == NULL);
  socket_server_release(other);
}

TEST(socket_server_release_closes_every_socket_of_ours_whatever_its_state) {
  int port = 0;
  const int listener = open_listener(OWNER, &port);
  const int accepted_peer = peer_connect(port);
  EXPECT_EVENT(SOCKET_ACCEPT, listener, OWNER, UD_ANY, NULL);
  int open_peer = 0, full_peer = 0;
  open_pair(OWNER, &open_peer);
  const int full = open_pair(OWNER, &full_peer);
  CHECK_EQ(send_kind(full, SOCKET_BUFFER_MEMORY, pattern(8 * MIB, 1), 8 * MIB), 0);
  CHECK(socket_server_udp(server, OWNER, NULL, 0) > 0);
  CHECK(socket_server_connect(server, OWNER, "127.0.0.1", port) > 0);
  peer_write(open_peer, "undelivered");
  socket_server_release(server);
  peer_expect_end(accepted_peer);
  char byte;
  CHECK(read(open_peer, &byte, 1) <= 0); /* its unread input makes it a reset */
  server = socket_server_create(0);
  const int again = socket_server_listen(server, OWNER, "127.0.0.1", port, 4);
  CHECK(again > 0); /* the port is free */
}

TEST(socket_server_poll_sets_more_to_0_only_when_it_had_to_wait) {
  wake_engine();
  wake_engine();
  wake_engine();
  CHECK_EQ(next_event().more, 0); /* the commands had to be fetched */
  CHECK_EQ(next_event().more, 1); /* these were there */
  CHECK_EQ(next_event().more, 1);
  wake_engine();
  CHECK_EQ(next_event().more, 0);
}

TEST(socket_server_poll_needs_no_more_flag) {
  struct socket_message message;
  wake_engine();
  CHECK_EQ(socket_server_poll(server, &message, NULL), SOCKET_ERR);
  CHECK_TEXT(message.data, "invalid socket");
}

TEST(socket_server_poll_gives_each_block_away) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  peer_write(peer, "first");
  struct event first = EXPECT_EVENT(SOCKET_DATA, id, OWNER, 5, NULL);
  peer_write(peer, "second");
  struct event second = EXPECT_EVENT(SOCKET_DATA, id, OWNER, 6, NULL);
  CHECK(first.data != second.data);
  CHECK(memcmp(first.data, "first", 5) == 0);   /* still ours after the next poll */
  first.data = skynet_realloc(first.data, 100); /* a block of the allocator like any other */
  CHECK(memcmp(first.data, "first", 5) == 0);
  free_event(&first);
  free_event(&second);
}

static void* exit_elsewhere(void* unused) {
  (void)unused;
  socket_server_exit(server);
  return NULL;
}

TEST(socket_server_exit_makes_poll_return_EXIT_once) {
  pthread_t other;
  CHECK(pthread_create(&other, NULL, exit_elsewhere, NULL) == 0);
  const struct event exited = next_event(); /* waits until the other thread says so */
  CHECK_EQ(exited.type, SOCKET_EXIT);
  CHECK_EQ(exited.id, 0);
  CHECK_EQ(exited.ud, 0);
  CHECK(pthread_join(other, NULL) == 0);
  EXPECT_QUIET(); /* once, and the loop may go on */
}

TEST(socket_server_updatetime_is_the_clock_of_the_statistics_and_nothing_else_is) {
  socket_server_updatetime(server, 100);
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_updatetime(server, 500);
  peer_write(peer, "in");
  EXPECT_DATA(id, OWNER, "in");
  socket_server_updatetime(server, 4000000000u); /* beyond 31 bits */
  CHECK_EQ(send_text(id, "out"), 0);
  peer_expect(peer, "out");
  socket_server_updatetime(server, 4000000700u);
  const struct socket_info entry = find_entry(id);
  CHECK_EQ(entry.rtime, 500);
  CHECK_EQ(entry.wtime, 4000000000u);
}

TEST(socket_server_create_takes_the_first_time_of_the_statistics) {
  socket_server_release(server);
  server = socket_server_create(1234);
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  peer_write(peer, "in");
  EXPECT_DATA(id, OWNER, "in");
  CHECK_EQ(find_entry(id).rtime, 1234);
}

/* --- listen --- */

TEST(S_19_port_0_binds_a_free_port_and_OPEN_tells_the_real_one) {
  const int first = socket_server_listen(server, OWNER, "127.0.0.1", 0, 4);
  const int first_port = EXPECT_EVENT(SOCKET_OPEN, first, OWNER, UD_ANY, "127.0.0.1").ud;
  const int second = socket_server_listen(server, OWNER, "127.0.0.1", 0, 4);
  const int second_port = EXPECT_EVENT(SOCKET_OPEN, second, OWNER, UD_ANY, "127.0.0.1").ud;
  CHECK(first_port > 0 && first_port < 65536 && first_port != second_port);
  close(peer_connect(first_port));
  close(peer_connect(second_port));
}

TEST(socket_server_listen_on_NULL_or_an_empty_host_is_on_every_address) {
  int id = socket_server_listen(server, OWNER, NULL, 0, 4);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, UD_ANY, "0.0.0.0");
  id = socket_server_listen(server, OWNER, "", 0, 4);
  const int port = EXPECT_EVENT(SOCKET_OPEN, id, OWNER, UD_ANY, "0.0.0.0").ud;
  close(peer_connect(port));
  CHECK_EQ(find_entry(id).id, 0); /* not started: not listed */
}

TEST(socket_server_listen_fails_at_once_for_a_numeric_address) {
  int port = 0;
  const int taken = peer_listen(&port);
  CHECK_EQ(socket_server_listen(server, OWNER, "127.0.0.1", port, 4), -1);
  CHECK_EQ(socket_server_listen(server, OWNER, "203.0.113.7", 0, 4), -1);
  CHECK_EQ(socket_server_listen(server, OWNER, "127.0.0.1", 65536, 4), -1);
  CHECK_EQ(socket_server_listen(server, OWNER, "127.0.0.1", -1, 4), -1);
  EXPECT_QUIET();
  close(taken);
}

TEST(socket_server_listen_by_a_name_without_address_gives_one_ERROR_and_frees_the_id) {
  const int id = socket_server_listen(server, OWNER, "no-such-host.invalid", 0, 4);
  CHECK(id > 0);
  const struct event error = EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, NULL);
  CHECK(error.text[0] != '\0');
  EXPECT_QUIET();
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, "invalid socket");
}

TEST(socket_server_listen_again_on_the_port_of_a_closed_listener_with_connections_works) {
  int port = 0;
  const int listener = open_listener(OWNER, &port);
  const int peer = peer_connect(port);
  const int id = EXPECT_EVENT(SOCKET_ACCEPT, listener, OWNER, UD_ANY, NULL).ud;
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "start");
  socket_server_close(server, OWNER, listener);
  EXPECT_EVENT(SOCKET_CLOSE, listener, OWNER, 0, NULL);
  CHECK(socket_server_listen(server, OWNER, "127.0.0.1", port, 4) > 0); /* SO_REUSEADDR */
  peer_write(peer, "lives on");
  const struct event opened = next_event();
  CHECK_EQ(opened.type, SOCKET_OPEN);
  EXPECT_DATA(id, OWNER, "lives on");
}

TEST(socket_server_listen_v6_tells_addresses_without_brackets) {
  if (!has_ipv6()) return;
  const int id = socket_server_listen(server, OWNER, "::1", 0, 4);
  CHECK(id > 0);
  const int port = EXPECT_EVENT(SOCKET_OPEN, id, OWNER, UD_ANY, "::1").ud;
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "start");
  const int peer = peer_connect_to("::1", port);
  struct sockaddr_in6 own;
  socklen_t size = sizeof own;
  CHECK(getsockname(peer, (struct sockaddr*)&own, &size) == 0);
  char text[64];
  snprintf(text, sizeof text, "::1:%d", ntohs(own.sin6_port));
  const struct event accepted = EXPECT_EVENT(SOCKET_ACCEPT, id, OWNER, UD_ANY, text);
  socket_server_start(server, OWNER, accepted.ud);
  EXPECT_EVENT(SOCKET_OPEN, accepted.ud, OWNER, 0, "start");
  CHECK_TEXT(find_entry(accepted.ud).name, text);
  snprintf(text, sizeof text, "::1:%d", port);
  CHECK_TEXT(find_entry(id).name, text);
  const int out = socket_server_connect(server, OWNER, "::1", port);
  struct event event = next_event();
  if (event.type == SOCKET_ACCEPT) event = next_event();
  CHECK_EQ(event.id, out);
  CHECK_TEXT(event.text, "::1");
}

TEST(SOCKET_ACCEPT_tells_ip_and_port_of_the_peer) {
  int port = 0;
  const int listener = open_listener(OWNER, &port);
  const int peer = peer_connect(port);
  struct sockaddr_in own;
  socklen_t size = sizeof own;
  CHECK(getsockname(peer, (struct sockaddr*)&own, &size) == 0);
  char text[64];
  snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(own.sin_port));
  EXPECT_EVENT(SOCKET_ACCEPT, listener, OWNER, UD_ANY, text);
}

/* --- connect --- */

TEST(socket_server_connect_is_answered_with_the_peers_ip_and_no_port) {
  int port = 0;
  const int listener = peer_listen(&port);
  const int id = socket_server_connect(server, OWNER, "127.0.0.1", port);
  CHECK(id > 0);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "127.0.0.1");
  close(listener);
}

TEST(socket_server_connect_that_is_refused_gives_one_ERROR_and_frees_the_id) {
  const int id = socket_server_connect(server, OWNER, "127.0.0.1", refusing_port());
  CHECK(id > 0);
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, strerror(ECONNREFUSED));
  EXPECT_QUIET();
  CHECK_EQ(send_text(id, "gone"), -1);
  socket_server_close(server, OWNER, id);
  EXPECT_QUIET();
}

TEST(socket_server_connect_by_a_name_without_address_gives_one_ERROR_and_frees_the_id) {
  const int id = socket_server_connect(server, OWNER, "no-such-host.invalid", 80);
  CHECK(id > 0);
  const struct event error = EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, NULL);
  CHECK(error.text[0] != '\0');
  EXPECT_QUIET();
  CHECK_EQ(send_text(id, "gone"), -1);
}

TEST(socket_server_connect_refuses_hosts_that_are_too_long_and_takes_231_bytes) {
  char host[300];
  memset(host, 'a', sizeof host);
  for (int at = 50; at < 300; at += 51) host[at] = '.'; /* labels of 50 bytes */
  host[256] = '\0';
  CHECK_EQ(socket_server_connect(server, OWNER, host, 80), -1);
  CHECK_EQ(socket_server_listen(server, OWNER, host, 0, 4), -1);
  CHECK_EQ(socket_server_udp(server, OWNER, host, 1), -1);
  CHECK_EQ(socket_server_udp_dial(server, OWNER, host, 1), -1);
  EXPECT_QUIET();
  host[231] = '\0';
  const int id = socket_server_connect(server, OWNER, host, 80);
  CHECK(id > 0);
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, NULL);
}

TEST(socket_server_connect_refuses_nonsense_at_once) {
  CHECK_EQ(socket_server_connect(server, OWNER, NULL, 80), -1);
  CHECK_EQ(socket_server_connect(server, OWNER, "", 80), -1);
  CHECK_EQ(socket_server_connect(server, OWNER, "127.0.0.1", 65536), -1);
  CHECK_EQ(socket_server_connect(server, OWNER, "127.0.0.1", -1), -1);
  EXPECT_QUIET();
}

/* --- options --- */

static int option_of(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  CHECK(getsockopt(fd, level, name, &value, &size) == 0);
  return value;
}

/* Our descriptor whose peer is `peer`. */
static int descriptor_facing(int peer) {
  struct sockaddr_in wanted, found;
  socklen_t size = sizeof wanted;
  CHECK(getsockname(peer, (struct sockaddr*)&wanted, &size) == 0);
  for (int fd = 3; fd < 256; ++fd) {
    size = sizeof found;
    if (fd != peer && getpeername(fd, (struct sockaddr*)&found, &size) == 0 &&
        found.sin_family == AF_INET && found.sin_port == wanted.sin_port)
      return fd;
  }
  FAIL("no descriptor faces the peer");
}

TEST(every_TCP_socket_is_nonblocking_and_kept_alive_and_without_TCP_NODELAY) {
  int peer = 0, port = 0;
  open_pair(OWNER, &peer);
  const int listener = peer_listen(&port);
  const int id = socket_server_connect(server, OWNER, "127.0.0.1", port);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "127.0.0.1");
  const int ours[] = {descriptor_facing(peer), descriptor_facing(peer_accept(listener))};
  for (int index = 0; index < 2; ++index) {
    CHECK(fcntl(ours[index], F_GETFL) & O_NONBLOCK);
    CHECK_EQ(option_of(ours[index], SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(option_of(ours[index], SOL_SOCKET, SO_REUSEPORT), 0);
    CHECK_EQ(option_of(ours[index], IPPROTO_TCP, TCP_NODELAY), 0);
  }
}

TEST(socket_server_nodelay_sets_TCP_NODELAY) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_nodelay(server, id);
  EXPECT_QUIET();
  CHECK(option_of(descriptor_facing(peer), IPPROTO_TCP, TCP_NODELAY) != 0);
}

TEST(socket_server_nodelay_holds_for_a_connect_that_is_still_under_way) {
  const char* const hosts[] = {"127.0.0.1", "localhost"}; /* the second is looked up first */
  for (int index = 0; index < 2; ++index) {
    int port = 0;
    const int listener = peer_listen(&port);
    const int id = socket_server_connect(server, OWNER, hosts[index], port);
    socket_server_nodelay(server, id);
    EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "127.0.0.1");
    EXPECT_QUIET();
    CHECK(option_of(descriptor_facing(peer_accept(listener)), IPPROTO_TCP, TCP_NODELAY) != 0);
  }
}

TEST(socket_server_nodelay_is_ignored_for_unknown_ids_and_other_kinds) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  const int pipe_id = socket_server_bind(server, OWNER, ends[0]);
  EXPECT_EVENT(SOCKET_OPEN, pipe_id, OWNER, 0, "binding");
  socket_server_nodelay(server, pipe_id);
  socket_server_nodelay(server, socket_server_udp(server, OWNER, NULL, 0));
  socket_server_nodelay(server, NO_SUCH_ID);
  socket_server_nodelay(server, 0);
  socket_server_nodelay(server, -1);
  EXPECT_QUIET();
}

/* --- bind, S-25 --- */

TEST(S_25_a_bound_socket_is_read_written_and_closed_at_its_end) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const int id = socket_server_bind(server, OWNER, ends[0]);
  CHECK(id > 0 && id != ends[0]);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "binding");
  CHECK(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
  peer_write(ends[1], "in");
  EXPECT_DATA(id, OWNER, "in");
  CHECK_EQ(send_text(id, "out"), 0);
  peer_expect(ends[1], "out");
  CHECK_EQ(find_entry(id).type, SOCKET_INFO_BIND);
  CHECK_TEXT(find_entry(id).name, "");
  close(ends[1]);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  socket_server_close(server, OWNER, id);
  EXPECT_QUIET();
  close(ends[0]);
}

TEST(S_25_pipes_are_read_to_their_end_and_written) {
  int in[2], out[2];
  CHECK(pipe(in) == 0 && pipe(out) == 0);
  const int reading = socket_server_bind(server, OWNER, in[0]);
  EXPECT_EVENT(SOCKET_OPEN, reading, OWNER, 0, "binding");
  const int writing = socket_server_bind(server, OWNER, out[1]);
  EXPECT_EVENT(SOCKET_OPEN, writing, OWNER, 0, "binding");
  CHECK_EQ(send_text(writing, "through a pipe"), 0);
  peer_expect(out[0], "through a pipe");
  peer_write(in[1], "to its end");
  close(in[1]);
  EXPECT_DATA(reading, OWNER, "to its end");
  EXPECT_EVENT(SOCKET_CLOSE, reading, OWNER, 0, NULL);
}

TEST(S_25_output_that_a_pipe_cannot_take_yet_is_queued_and_sent_later) {
  int out[2];
  CHECK(pipe(out) == 0);
  const int id = socket_server_bind(server, OWNER, out[1]);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "binding");
  const size_t size = 4 * MIB;
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(size, 3), size), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  struct reader reader;
  reader_start(&reader, out[0], size, 1);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, 0, NULL);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK(is_pattern(reader.bytes, size, 0, 3));
}

TEST(socket_server_bind_of_no_descriptor_gives_no_lasting_id) {
  const int id = socket_server_bind(server, OWNER, 10000);
  if (id > 0) EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, strerror(EBADF));
  EXPECT_QUIET();
  const int negative = socket_server_bind(server, OWNER, -1);
  if (negative > 0) EXPECT_EVENT(SOCKET_ERR, negative, OWNER, 0, strerror(EBADF));
  EXPECT_QUIET();
}

TEST(socket_server_bind_of_a_file_that_cannot_be_watched_gives_one_ERROR) {
  char path[] = "/tmp/skyloom_engine_XXXXXX";
  const int fd = mkstemp(path);
  CHECK(fd >= 0);
  unlink(path);
  const int id = socket_server_bind(server, OWNER, fd);
  CHECK(id > 0);
  const struct event error = EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, NULL);
  CHECK(error.text[0] != '\0');
  EXPECT_QUIET();
  CHECK_EQ(send_text(id, "gone"), -1);
  CHECK(fcntl(fd, F_GETFD) >= 0); /* still ours */
  close(fd);
}

/* --- S-18 --- */

static void leave_no_descriptors(void) {
  const int next = dup(0);
  CHECK(next >= 0);
  close(next);
  const struct rlimit limit = {(rlim_t)next, (rlim_t)next + 4096};
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}
static void allow_descriptors(void) {
  const struct rlimit limit = {1024, 1024};
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

TEST(S_18_without_descriptors_every_listeners_owner_hears_ERROR_and_the_client_is_turned_away) {
  int port[2], peer[2];
  const int listener[2] = {open_listener(OWNER, &port[0]), open_listener(OTHER_OWNER, &port[1])};
  const uintptr_t owner[2] = {OWNER, OTHER_OWNER};
  for (int index = 0; index < 2; ++index) {
    peer[index] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(peer[index] >= 0);
  }
  leave_no_descriptors();
  for (int index = 0; index < 2; ++index) { /* two listeners within one second */
    struct sockaddr_in to;
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)port[index]);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(peer[index], (struct sockaddr*)&to, sizeof to) == 0);
    EXPECT_EVENT(SOCKET_ERR, listener[index], owner[index], 0, strerror(EMFILE));
    EXPECT_QUIET();
    peer_expect_end(peer[index]); /* accepted and closed; it does not hang */
  }
  allow_descriptors();
  const int later = peer_connect(port[0]); /* the listener is still open */
  const struct event accepted = EXPECT_EVENT(SOCKET_ACCEPT, listener[0], OWNER, UD_ANY, NULL);
  socket_server_start(server, OWNER, accepted.ud);
  EXPECT_EVENT(SOCKET_OPEN, accepted.ud, OWNER, 0, "start");
  peer_write(later, "served");
  EXPECT_DATA(accepted.ud, OWNER, "served");
}

TEST(S_18_calls_that_need_a_descriptor_fail_by_name_of_the_errno) {
  int port = 0;
  open_listener(OWNER, &port);
  leave_no_descriptors();
  CHECK_EQ(socket_server_listen(server, OWNER, "127.0.0.1", 0, 4), -1);
  CHECK_EQ(socket_server_udp(server, OWNER, NULL, 0), -1);
  const int id = socket_server_connect(server, OWNER, "127.0.0.1", port);
  if (id > 0) EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, strerror(EMFILE));
  EXPECT_QUIET();
  allow_descriptors();
}
