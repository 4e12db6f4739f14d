/* S-24 and socket_server_info: what the list says of which socket. */
#include <malloc.h>

#include "engine.h"

static int entries(void) {
  int count = 0;
  struct socket_info* list = socket_server_info(server);
  for (struct socket_info* entry = list; entry != NULL; entry = entry->next) ++count;
  socket_info_release(list);
  return count;
}

TEST(socket_server_info_of_no_sockets_is_an_empty_list) {
  CHECK(socket_server_info(server) == NULL);
}

TEST(socket_info_release_takes_an_empty_list_and_one_whose_sockets_are_gone) {
  socket_info_release(NULL);
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  struct socket_info* list = socket_server_info(server);
  CHECK(list != NULL && list->next == NULL);
  socket_server_shutdown(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  CHECK_EQ(list->id, id); /* a snapshot of its own */
  socket_info_release(list);
}

TEST(socket_server_info_lists_no_socket_that_is_reserved_connecting_or_not_started) {
  const int waiting = socket_server_listen(server, OWNER, "127.0.0.1", 0, 4);
  CHECK_EQ(entries(), 0); /* its command has not been seen */
  const int port = EXPECT_EVENT(SOCKET_OPEN, waiting, OWNER, UD_ANY, NULL).ud;
  CHECK_EQ(entries(), 0); /* not started */
  const int connecting = socket_server_connect(server, OWNER, "127.0.0.1", port);
  CHECK_EQ(entries(), 0);
  EXPECT_EVENT(SOCKET_OPEN, connecting, OWNER, 0, NULL);
  CHECK_EQ(entries(), 1);
  socket_server_start(server, OWNER, waiting);
  EXPECT_EVENT(SOCKET_OPEN, waiting, OWNER, 0, "start");
  CHECK_EQ(entries(), 2);
  const int accepted = EXPECT_EVENT(SOCKET_ACCEPT, waiting, OWNER, UD_ANY, NULL).ud;
  CHECK_EQ(entries(), 2); /* accepted, not started */
  socket_server_start(server, OWNER, accepted);
  EXPECT_EVENT(SOCKET_OPEN, accepted, OWNER, 0, "start");
  CHECK_EQ(entries(), 3);
}

TEST(S_24_a_listener_counts_connections_and_shows_its_own_address) {
  int port = 0, peers[3];
  const int id = open_listener(OWNER, &port);
  for (int index = 0; index < 3; ++index) {
    peers[index] = peer_connect(port);
    EXPECT_EVENT(SOCKET_ACCEPT, id, OWNER, UD_ANY, NULL);
  }
  const struct socket_info entry = find_entry(id);
  char name[64];
  snprintf(name, sizeof name, "127.0.0.1:%d", port);
  CHECK_EQ(entry.type, SOCKET_INFO_LISTEN);
  CHECK_EQ(entry.opaque, OWNER);
  CHECK_EQ(entry.read, 3);
  CHECK_EQ(entry.write, 0);
  CHECK_EQ(entry.wbuffer, 0);
  CHECK_EQ(entry.reading, 1);
  CHECK_EQ(entry.writing, 0);
  CHECK_TEXT(entry.name, name);
  for (int index = 0; index < 3; ++index) close(peers[index]);
}

TEST(S_24_a_connection_counts_bytes_and_shows_its_peer) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  peer_write(peer, "12345");
  EXPECT_DATA(id, OWNER, "12345");
  CHECK_EQ(send_text(id, "123"), 0);
  struct sockaddr_in own;
  socklen_t size = sizeof own;
  CHECK(getsockname(peer, (struct sockaddr*)&own, &size) == 0);
  char name[64];
  snprintf(name, sizeof name, "127.0.0.1:%d", ntohs(own.sin_port));
  const struct socket_info entry = find_entry(id);
  CHECK_EQ(entry.type, SOCKET_INFO_TCP);
  CHECK_EQ(entry.opaque, OWNER);
  CHECK_EQ(entry.read, 5);
  CHECK_EQ(entry.write, 3);
  CHECK_EQ(entry.wbuffer, 0);
  CHECK_TEXT(entry.name, name);
}

TEST(S_24_reading_follows_pause_and_resume) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK_EQ(find_entry(id).reading, 1);
  socket_server_pause(server, OWNER, id);
  EXPECT_QUIET();
  CHECK_EQ(find_entry(id).reading, 0);
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "transfer");
  CHECK_EQ(find_entry(id).reading, 1);
  CHECK(shutdown(peer, SHUT_WR) == 0);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  CHECK_EQ(find_entry(id).reading, 0);
  CHECK_EQ(find_entry(id).type, SOCKET_INFO_CLOSING);
}

TEST(S_24_wbuffer_has_every_accepted_byte_that_the_system_has_not_taken) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  const size_t size = 8 * MIB;
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(size, 1), size), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  struct socket_info entry = find_entry(id);
  CHECK_EQ(entry.write + (uint64_t)entry.wbuffer, size); /* also the rest of a direct write */
  CHECK_EQ(entry.writing, 1);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, pattern(1000, 1), 1000), 0);
  CHECK_EQ(send_text(id, "1234567"), 0);
  entry = find_entry(id);
  CHECK_EQ(entry.write + (uint64_t)entry.wbuffer, size + 1007);
  struct reader reader;
  reader_start(&reader, peer, size + 1007, 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, 0, NULL);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  entry = find_entry(id);
  CHECK_EQ(entry.write, size + 1007);
  CHECK_EQ(entry.wbuffer, 0);
  CHECK_EQ(entry.writing, 0);
}

TEST(S_24_a_datagram_socket_counts_bytes_and_times_and_shows_its_destination) {
  const int port = unused_udp_port();
  const int id = socket_server_udp_listen(server, OWNER, "127.0.0.1", port);
  CHECK_TEXT(find_entry(id).name, "");
  CHECK_EQ(socket_server_udp_connect(server, id, "127.0.0.1", port), 0); /* to itself */
  socket_server_updatetime(server, 70);
  CHECK_EQ(send_text(id, "itself"), 0);
  socket_server_updatetime(server, 80);
  struct event event = EXPECT_EVENT(SOCKET_UDP, id, OWNER, 6, NULL);
  free_event(&event);
  char name[64];
  snprintf(name, sizeof name, "127.0.0.1:%d", port);
  const struct socket_info entry = find_entry(id);
  CHECK_EQ(entry.type, SOCKET_INFO_UDP);
  CHECK_EQ(entry.read, 6);
  CHECK_EQ(entry.write, 6);
  CHECK_EQ(entry.wtime, 70);
  CHECK_EQ(entry.rtime, 80);
  CHECK_EQ(entry.reading, 1);
  CHECK_TEXT(entry.name, name);
}

TEST(S_24_a_bound_descriptor_has_no_name) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const int id = socket_server_bind(server, OWNER, ends[0]);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "binding");
  peer_write(ends[1], "12");
  EXPECT_DATA(id, OWNER, "12");
  CHECK_EQ(send_text(id, "123"), 0);
  const struct socket_info entry = find_entry(id);
  CHECK_EQ(entry.type, SOCKET_INFO_BIND);
  CHECK_EQ(entry.read, 2);
  CHECK_EQ(entry.write, 3);
  CHECK_TEXT(entry.name, "");
}

static atomic_int stop_looking;
static void* look_all_the_time(void* unused) {
  (void)unused;
  while (!atomic_load(&stop_looking)) {
    struct socket_info* list = socket_server_info(server);
    for (struct socket_info* entry = list; entry != NULL; entry = entry->next) {
      /* What was accepted is either written or queued, at every moment. */
      if (entry->write + (uint64_t)entry->wbuffer > 64u * MIB) FAIL("an impossible snapshot");
      if (entry->type == SOCKET_INFO_TCP && entry->name[0] == '\0') FAIL("a socket without peer");
    }
    socket_info_release(list);
  }
  return NULL;
}

TEST(S_24_a_snapshot_may_be_taken_on_any_thread_while_sockets_come_and_go) {
  pthread_t looking;
  CHECK(pthread_create(&looking, NULL, look_all_the_time, NULL) == 0);
  for (int round = 0; round < 100; ++round) {
    int peer = 0;
    const int id = open_pair(OWNER, &peer);
    CHECK_EQ(send_text(id, "bytes"), 0);
    close(peer);
    socket_server_shutdown(server, OWNER, id);
    struct event event = next_event();
    if (event.type == SOCKET_ERR) event = next_event();
    CHECK_EQ(event.type, SOCKET_CLOSE);
  }
  atomic_store(&stop_looking, 1);
  CHECK(pthread_join(looking, NULL) == 0);
}

TEST(D_26_data_comes_in_blocks_of_its_real_size_and_at_most_256_KiB) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  const size_t total = 6 * MIB;
  char* bytes = keep(pattern(total, 5));
  size_t written = 0, read_back = 0;
  int largest = 0;
  CHECK(fcntl(peer, F_SETFL, O_NONBLOCK) == 0);
  while (read_back < total) {
    while (written < total) {
      const ssize_t put = write(peer, bytes + written, total - written);
      if (put <= 0) break;
      written += (size_t)put;
    }
    struct event event = EXPECT_EVENT(SOCKET_DATA, id, OWNER, UD_ANY, NULL);
    CHECK(event.ud > 0 && event.ud <= 256 << 10);
    CHECK(is_pattern(event.data, (size_t)event.ud, read_back, 5));
    /* An allocator rounds up to a page at most. */
    CHECK(malloc_usable_size(event.data) <= (size_t)event.ud + 8192);
    read_back += (size_t)event.ud;
    if (event.ud > largest) largest = event.ud;
    free_event(&event);
  }
  CHECK(largest >= 32 << 10); /* much is read at once where much comes */
  peer_write(peer, "small");
  struct event small = EXPECT_EVENT(SOCKET_DATA, id, OWNER, 5, NULL);
  CHECK(malloc_usable_size(small.data) <= 64);
  free_event(&small);
}
