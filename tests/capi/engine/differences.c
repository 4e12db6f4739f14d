/* D-10 to D-33: where the engine behaves better than the original, as the contract demands. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "engine.h"
#include "faults.h"

TEST(D_10_many_ids_live_at_once_and_each_is_its_own) {
  enum { IDS = 12000 };
  static int ids[IDS];
  for (int index = 0; index < IDS; ++index) {
    ids[index] = socket_server_udp(server, (uintptr_t)index, NULL, 0);
    CHECK(ids[index] > 0);
  }
  EXPECT_QUIET();
  for (int index = 0; index < IDS; ++index) socket_server_close(server, OWNER, ids[index]);
  for (int index = 0; index < IDS; ++index) {
    EXPECT_EVENT(SOCKET_CLOSE, ids[index], (uintptr_t)index, 0, NULL);
  }
  CHECK(socket_server_info(server) == NULL);
}

TEST(D_10_an_operation_on_a_stale_id_does_nothing_to_the_socket_that_has_its_slot) {
  int stale[50], peer = 0;
  for (int index = 0; index < 50; ++index) {
    stale[index] = socket_server_udp(server, OWNER, NULL, 0);
    socket_server_shutdown(server, OWNER, stale[index]);
    EXPECT_EVENT(SOCKET_CLOSE, stale[index], OWNER, 0, NULL);
  }
  const int id = open_pair(OWNER, &peer);
  for (int index = 0; index < 50; ++index) {
    CHECK(stale[index] != id);
    CHECK_EQ(send_text(stale[index], "lost"), -1);
    socket_server_pause(server, OWNER, stale[index]);
    socket_server_close(server, OWNER, stale[index]);
    socket_server_shutdown(server, OWNER, stale[index]);
    socket_server_nodelay(server, stale[index]);
    CHECK_EQ(socket_server_udp_connect(server, stale[index], "127.0.0.1", 9), -1);
    socket_server_start(server, OTHER_OWNER, stale[index]);
    EXPECT_EVENT(SOCKET_ERR, stale[index], OTHER_OWNER, 0, "invalid socket");
  }
  peer_write(peer, "alive");
  EXPECT_DATA(id, OWNER, "alive");
}

/* --- D-15 --- */

TEST(D_15_unread_input_never_destroys_output_that_was_accepted) {
  for (int round = 0; round < 20; ++round) {
    int peer = 0;
    const int id = open_pair(OWNER, &peer);
    socket_server_pause(server, OWNER, id);
    EXPECT_QUIET();
    for (int count = 0; count < 20; ++count) peer_write(peer, "never read by the engine");
    const size_t size = 300000;
    CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(size, 1), size), 0);
    socket_server_close(server, OWNER, id);
    EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
    struct reader reader;
    reader_start(&reader, peer, SIZE_MAX, 0);
    RUN_UNTIL(&reader.done);
    reader_join(&reader);
    CHECK_EQ(reader.error, 0); /* a FIN and no reset */
    CHECK_EQ(reader.got, size);
    close(peer);
  }
}

TEST(D_15_input_that_comes_after_close_is_discarded_until_the_peers_end) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  const size_t size = 16 * MIB;
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(size, 1), size), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  socket_server_close(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  for (int count = 0; count < 50; ++count) peer_write(peer, "talks on");
  struct reader reader;
  reader_start(&reader, peer, SIZE_MAX, 0);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK_EQ(reader.error, 0);
  CHECK_EQ(reader.got, size);
  close(peer);
  while (find_entry(id).id != 0) EXPECT_QUIET();
}

/* --- D-17 --- */

static void expect_open(int fd, int other_end) {
  CHECK(fcntl(fd, F_GETFD) >= 0);
  CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
  CHECK_EQ(write(other_end, "x", 1), 1); /* and it is still the same one */
  peer_expect(fd, "x");
}

static int bind_pair(int ends[2]) {
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const int id = socket_server_bind(server, OWNER, ends[0]);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "binding");
  return id;
}

TEST(D_17_close_leaves_a_foreign_descriptor_open) {
  int ends[2];
  const int id = bind_pair(ends);
  socket_server_close(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  EXPECT_QUIET();
  expect_open(ends[0], ends[1]);
}

TEST(D_17_shutdown_leaves_a_foreign_descriptor_open) {
  int ends[2];
  const int id = bind_pair(ends);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(8 * MIB, 1), 8 * MIB), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  socket_server_shutdown(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  EXPECT_QUIET();
  expect_open(ends[0], ends[1]);
}

TEST(D_17_the_end_of_its_stream_leaves_a_foreign_descriptor_open) {
  int ends[2];
  const int id = bind_pair(ends);
  CHECK(shutdown(ends[1], SHUT_WR) == 0);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  CHECK_EQ(send_text(id, "still writable"), 0);
  peer_expect(ends[1], "still writable");
  socket_server_close(server, OWNER, id);
  EXPECT_QUIET();
  CHECK(fcntl(ends[0], F_GETFD) >= 0);
  CHECK_EQ(write(ends[0], "x", 1), 1); /* the other direction is ours to end */
  peer_expect(ends[1], "x");
}

TEST(D_17_release_leaves_a_foreign_descriptor_open) {
  int ends[2];
  bind_pair(ends);
  socket_server_release(server);
  expect_open(ends[0], ends[1]);
  server = socket_server_create(0);
}

TEST(D_17_an_error_leaves_a_foreign_descriptor_open) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  const int id = socket_server_bind(server, OWNER, ends[1]);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "binding");
  close(ends[0]);
  CHECK_EQ(send_text(id, "to nobody"), 0); /* EPIPE */
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, strerror(EPIPE));
  socket_server_close(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  EXPECT_QUIET();
  CHECK(fcntl(ends[1], F_GETFD) >= 0);
}

/* --- D-20 --- */

TEST(D_20_what_is_sent_right_after_connect_arrives_in_order) {
  const char* const hosts[] = {"127.0.0.1", "localhost"};
  for (int index = 0; index < 2; ++index) {
    int port = 0;
    const int listener = peer_listen(&port);
    const int id = socket_server_connect(server, OWNER, hosts[index], port);
    CHECK_EQ(send_text(id, "one "), 0);
    CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, text_block("two "), 4), 0);
    CHECK_EQ(send_text(id, "three"), 0);
    EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "127.0.0.1");
    const int peer = peer_accept(listener);
    peer_expect(peer, "one two three");
  }
}

TEST(D_20_what_is_sent_right_after_bind_arrives) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const int id = socket_server_bind(server, OWNER, ends[0]);
  CHECK_EQ(send_text(id, "early"), 0);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "binding");
  peer_expect(ends[1], "early");
}

/* --- D-21 --- */

static int descriptors_of_a_child(void) {
  int out[2];
  CHECK(pipe2(out, O_CLOEXEC) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    dup2(out[1], STDOUT_FILENO);
    execlp("ls", "ls", "/proc/self/fd", (char*)NULL);
    _exit(127);
  }
  close(out[1]);
  int lines = 0;
  char byte;
  while (read(out[0], &byte, 1) == 1) lines += byte == '\n';
  close(out[0]);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  return lines;
}

TEST(D_21_a_child_process_inherits_no_descriptor) {
  socket_server_release(server);
  const int before = descriptors_of_a_child();
  server = socket_server_create(0);
  int port = 0, peer = 0;
  open_pair(OWNER, &peer);
  const int listener = open_listener(OWNER, &port);
  CHECK(socket_server_udp(server, OWNER, NULL, 0) > 0);
  CHECK(socket_server_udp_dial(server, OWNER, "127.0.0.1", 9) > 0);
  const int out = socket_server_connect(server, OWNER, "localhost", port);
  struct event event = next_event();
  if (event.type == SOCKET_ACCEPT) event = next_event();
  CHECK_EQ(event.id, out);
  CHECK_EQ(descriptors_of_a_child(), before);
  (void)listener;
}

/* --- D-22 --- */

TEST(D_22_commands_never_wait_for_the_poll_loop) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  for (int count = 0; count < 300000; ++count) { /* nobody polls: each returns */
    socket_server_pause(server, OWNER, id);
  }
  socket_server_close(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
}

/* --- D-23 --- */

TEST(D_23_each_way_to_end_has_exactly_one_terminal_event) {
  const int refused = socket_server_connect(server, OWNER, "127.0.0.1", refusing_port());
  EXPECT_EVENT(SOCKET_ERR, refused, OWNER, 0, NULL);
  const int no_name = socket_server_udp(server, OWNER, "no-such-host.invalid", 9);
  EXPECT_EVENT(SOCKET_ERR, no_name, OWNER, 0, NULL);
  int port = 0, peer = 0;
  const int listener = open_listener(OWNER, &port);
  socket_server_close(server, OWNER, listener);
  EXPECT_EVENT(SOCKET_CLOSE, listener, OWNER, 0, NULL);
  const int unstarted = socket_server_listen(server, OWNER, "127.0.0.1", 0, 4);
  EXPECT_EVENT(SOCKET_OPEN, unstarted, OWNER, UD_ANY, NULL);
  socket_server_shutdown(server, OWNER, unstarted);
  EXPECT_EVENT(SOCKET_CLOSE, unstarted, OWNER, 0, NULL);
  const int id = open_pair(OWNER, &peer);
  peer_reset(peer);
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, NULL);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  const int ids[] = {refused, no_name, listener, unstarted, id};
  for (int index = 0; index < 5; ++index) {
    socket_server_close(server, OWNER, ids[index]);
    socket_server_shutdown(server, OWNER, ids[index]);
  }
  EXPECT_QUIET();
}

/* --- D-25 --- */

TEST(D_25_a_socket_with_much_input_does_not_starve_another) {
  int loud = 0, quiet = 0;
  const int loud_id = open_pair(OWNER, &loud);
  const int quiet_id = open_pair(OTHER_OWNER, &quiet);
  CHECK(fcntl(loud, F_SETFL, O_NONBLOCK) == 0);
  char* bytes = keep(pattern(MIB, 1));
  while (write(loud, bytes, MIB) > 0) { /* as much as the kernel takes */
  }
  peer_write(quiet, "me too");
  int loud_events = 0;
  for (;;) {
    struct event event = next_event();
    CHECK_EQ(event.type, SOCKET_DATA);
    const int is_quiet = event.id == quiet_id;
    if (!is_quiet) CHECK_EQ(event.id, loud_id);
    free_event(&event);
    if (is_quiet) break;
    CHECK(++loud_events <= 4);
  }
}

TEST(D_25_a_flood_of_datagrams_does_not_starve_a_connection) {
  int peer = 0;
  const int id = open_pair(OTHER_OWNER, &peer);
  const int port = unused_udp_port();
  const int flooded = socket_server_udp_listen(server, OWNER, "127.0.0.1", port);
  EXPECT_QUIET();
  const int sender = socket_server_udp_dial(server, OWNER, "127.0.0.1", port);
  for (int count = 0; count < 200; ++count) CHECK_EQ(send_text(sender, "flood"), 0);
  peer_write(peer, "me too");
  int datagrams = 0;
  for (;;) {
    struct event event = next_event();
    const int is_quiet = event.id == id;
    if (!is_quiet) CHECK_EQ(event.id, flooded);
    free_event(&event);
    if (is_quiet) break;
    CHECK(++datagrams <= 128);
  }
}

/* --- D-27, D-28, D-30 --- */

TEST(D_27_a_listener_survives_accept_errors_and_tries_again) {
  const int codes[] = {ENOBUFS, ENOMEM, ECONNABORTED, EPROTO, EINTR};
  int port = 0;
  const int id = open_listener(OWNER, &port);
  for (int index = 0; index < 5; ++index) {
    fail_accepts(3, codes[index]);
    const int peer = peer_connect(port);
    EXPECT_EVENT(SOCKET_ACCEPT, id, OWNER, UD_ANY, NULL); /* and no ERROR */
    close(peer);
  }
  CHECK_EQ(failed_calls(), 15);
}

TEST(D_28_the_ERROR_of_a_read_names_its_errno) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  fail_receives(1, ETIMEDOUT);
  peer_write(peer, "x");
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, strerror(ETIMEDOUT));
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  EXPECT_QUIET();
}

TEST(D_28_the_ERROR_of_a_write_names_its_errno) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  fail_sends(1, EHOSTUNREACH);
  CHECK_EQ(send_text(id, "x"), 0);
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, strerror(EHOSTUNREACH));
  EXPECT_QUIET();
  peer_write(peer, "input still comes"); /* S-15 */
  EXPECT_DATA(id, OWNER, "input still comes");
  close(peer);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
}

TEST(S_22_a_fatal_receive_error_gives_one_ERROR_and_frees_the_id) {
  const int port = unused_udp_port();
  const int id = socket_server_udp_listen(server, OWNER, "127.0.0.1", port);
  const int sender = socket_server_udp_dial(server, OWNER, "127.0.0.1", port);
  EXPECT_QUIET();
  fail_receives(1, EBADF);
  CHECK_EQ(send_text(sender, "x"), 0);
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, strerror(EBADF));
  EXPECT_QUIET();
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, "invalid socket");
}

TEST(S_22_receive_errors_that_pass_do_not_end_a_datagram_socket) {
  const int codes[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENOMEM, EINTR, EAGAIN};
  const int port = unused_udp_port();
  const int id = socket_server_udp_listen(server, OWNER, "127.0.0.1", port);
  const int sender = socket_server_udp_dial(server, OWNER, "127.0.0.1", port);
  EXPECT_QUIET();
  for (int index = 0; index < 6; ++index) {
    fail_receives(1, codes[index]);
    CHECK_EQ(send_text(sender, "x"), 0);
    struct event event = EXPECT_EVENT(SOCKET_UDP, id, OWNER, 1, NULL);
    free_event(&event);
  }
}

TEST(D_30_when_the_output_is_dead_its_queued_buffers_are_freed_at_once) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  install_objects();
  const size_t size = 16 * MIB;
  struct object large = {keep(pattern(size, 1)), size, 0, 0, 0};
  struct object low = {"low", 3, 0, 0, 0};
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, &large, 0), 0);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_OBJECT, &low, 0), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  CHECK_EQ(large.frees + low.frees, 0);
  fail_sends(1, EHOSTUNREACH);
  struct reader reader;
  /* Makes room, so that the engine writes again. How much that takes is the system's to say. */
  reader_start(&reader, peer, SIZE_MAX, 0);
  struct event event;
  do {
    event = next_event();
  } while (event.opaque == ASKER);
  CHECK_EQ(event.type, SOCKET_ERR);
  CHECK_EQ(large.frees, 1);
  CHECK_EQ(low.frees, 1);
  CHECK_EQ(find_entry(id).wbuffer, 0);
  shutdown(peer, SHUT_RDWR);
  reader_join(&reader);
}

/* --- D-31, D-32, D-33 --- */

TEST(D_31_no_argument_ends_the_process) {
  const int numbers[] = {-2147483647 - 1, -1, 0, 1, 2, 65535, 65536, NO_SUCH_ID, 2147483647};
  const char* const hosts[] = {NULL, "",      " ",   ":",       "1.2.3.4.5",       "256.1.1.1",
                               "::", "[::1]", "[",   "%",       "fe80::1%nothing", "-",
                               ".",  "..",    "a b", "\xff\xfe"};
  for (size_t index = 0; index < sizeof numbers / sizeof *numbers; ++index) {
    const int number = numbers[index];
    for (size_t host = 0; host < sizeof hosts / sizeof *hosts; ++host) {
      (void)socket_server_listen(server, OWNER, hosts[host], number, number);
      (void)socket_server_connect(server, OWNER, hosts[host], number);
      (void)socket_server_udp(server, OWNER, hosts[host], number);
      (void)socket_server_udp_dial(server, OWNER, hosts[host], number);
      (void)socket_server_udp_listen(server, OWNER, hosts[host], number);
      (void)socket_server_udp_connect(server, number, hosts[host], number);
    }
    socket_server_start(server, OTHER_OWNER, number);
    socket_server_pause(server, OTHER_OWNER, number);
    socket_server_nodelay(server, number);
    (void)send_text(number, "x");
    socket_server_close(server, OTHER_OWNER, number);
    socket_server_shutdown(server, OTHER_OWNER, number);
  }
  int peer = 0; /* and it still works */
  socket_server_release(server);
  server = socket_server_create(0);
  const int id = open_pair(OWNER, &peer);
  peer_write(peer, "alive");
  EXPECT_DATA(id, OWNER, "alive");
}

enum { CALLS = 2000, THREADS = 4 };
static atomic_int finished;
struct caller {
  unsigned seed;
  int port;
  pthread_t thread;
};

static void* call_everything(void* started) {
  struct caller* caller = started;
  int ids[8] = {0};
  for (int count = 0; count < CALLS; ++count) {
    int* id = &ids[rand_r(&caller->seed) % 8];
    switch (rand_r(&caller->seed) % 12) {
      case 0: *id = socket_server_connect(server, OWNER, "127.0.0.1", caller->port); break;
      case 1: *id = socket_server_udp_dial(server, OWNER, "127.0.0.1", 9); break;
      case 2: *id = socket_server_udp(server, OWNER, NULL, 0); break;
      case 3: socket_server_close(server, OWNER, *id); break;
      case 4: socket_server_shutdown(server, OWNER, *id); break;
      case 5: socket_server_pause(server, OWNER, *id); break;
      case 6: socket_server_nodelay(server, *id); break;
      case 7: (void)send_low(*id, SOCKET_BUFFER_MEMORY, pattern(3000, 1), 3000); break;
      case 8: socket_info_release(socket_server_info(server)); break;
      case 9: (void)socket_server_udp_connect(server, *id, "127.0.0.1", 9); break;
      default: (void)send_text(*id, "bytes of several threads"); break;
    }
  }
  for (int index = 0; index < 8; ++index) socket_server_shutdown(server, OWNER, ids[index]);
  atomic_fetch_add(&finished, 1);
  wake_engine();
  return NULL;
}

TEST(D_32_any_thread_may_call_anything_at_any_time) {
  int port = 0;
  const int listener = open_listener(OTHER_OWNER, &port);
  struct caller callers[THREADS];
  for (int index = 0; index < THREADS; ++index) {
    callers[index].seed = (unsigned)index + 1;
    callers[index].port = port;
    CHECK(pthread_create(&callers[index].thread, NULL, call_everything, &callers[index]) == 0);
  }
  while (atomic_load(&finished) < THREADS) {
    struct event event = next_event();
    if (event.type == SOCKET_ACCEPT) {
      socket_server_start(server, OTHER_OWNER, event.ud);
    } else if (event.type == SOCKET_CLOSE && event.id != listener) {
      socket_server_close(server, OTHER_OWNER, event.id);
    }
    free_event(&event);
  }
  for (int index = 0; index < THREADS; ++index)
    CHECK(pthread_join(callers[index].thread, NULL) == 0);
}

TEST(D_33_the_engine_starts_and_works_above_many_inherited_descriptors) {
  socket_server_release(server);
  for (int count = 0; count < 3000; ++count) CHECK(dup(STDERR_FILENO) >= 0);
  server = socket_server_create(0);
  CHECK(server != NULL);
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK(peer > 3000);
  peer_write(peer, "high up");
  EXPECT_DATA(id, OWNER, "high up");
}
