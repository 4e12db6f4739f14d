/* S-01 to S-05, S-17, S-23: what happens to bytes that are sent. */
#include "engine.h"

enum { FRAMES = 3000, SENDERS = 4 };

TEST(S_01_sends_of_one_caller_leave_in_call_order_whatever_path_each_takes) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  size_t total = 0;
  char* sent = keep(pattern(FRAMES * 700, 1));
  struct reader reader;
  for (int frame = 0; frame < FRAMES; ++frame) { /* the first ones directly, then queued ones */
    const size_t size = (size_t)(1 + frame * 7919 % 700);
    CHECK_EQ(send_kind(id, SOCKET_BUFFER_RAWPOINTER, sent + total, size), 0);
    total += size;
  }
  reader_start(&reader, peer, total, 1);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK_EQ(reader.got, total);
  CHECK(is_pattern(reader.bytes, total, 0, 1));
}

struct sender {
  int id;
  unsigned char name;
  pthread_t thread;
};

static void* send_frames(void* started) {
  const struct sender* sender = started;
  unsigned char frame[257];
  for (int count = 0; count < FRAMES; ++count) {
    const size_t size = (size_t)(2 + (count * 31 + sender->name) % 250);
    memset(frame, sender->name, size + 1);
    frame[0] = (unsigned char)size; /* and `size` bytes that name the sender */
    if (send_kind(sender->id, SOCKET_BUFFER_RAWPOINTER, frame, size + 1) != 0) FAIL("refused");
  }
  return NULL;
}

TEST(S_01_sends_of_several_threads_are_not_interleaved_and_each_threads_keep_their_order) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  struct sender senders[SENDERS];
  size_t total = 0;
  for (int index = 0; index < SENDERS; ++index) {
    senders[index].id = id;
    senders[index].name = (unsigned char)('A' + index);
    for (int count = 0; count < FRAMES; ++count)
      total += (size_t)(3 + (count * 31 + senders[index].name) % 250);
  }
  struct reader reader;
  reader_start(&reader, peer, total, 1);
  for (int index = 0; index < SENDERS; ++index)
    CHECK(pthread_create(&senders[index].thread, NULL, send_frames, &senders[index]) == 0);
  for (;;) { /* warnings may come: the senders are faster than the reader */
    const struct event event = next_event();
    if (event.type == SOCKET_WARNING) continue;
    CHECK_EQ(event.type, SOCKET_ERR);
    if (atomic_load(&reader.done)) break;
  }
  reader_join(&reader);
  int seen[SENDERS] = {0};
  for (size_t at = 0; at < total;) {
    const unsigned char* frame = (const unsigned char*)reader.bytes + at;
    const int index = frame[1] - 'A';
    CHECK(index >= 0 && index < SENDERS);
    CHECK_EQ(frame[0], 2 + (seen[index]++ * 31 + frame[1]) % 250); /* the next of this sender */
    for (int byte = 1; byte <= frame[0]; ++byte) CHECK_EQ(frame[byte], frame[1]);
    at += (size_t)frame[0] + 1;
  }
  for (int index = 0; index < SENDERS; ++index) {
    CHECK_EQ(seen[index], FRAMES);
    CHECK(pthread_join(senders[index].thread, NULL) == 0);
  }
}

/* Sends without a reader until bytes stay in the queue. Returns how many were sent. */
static size_t block_output(int id, unsigned seed) {
  const size_t size = 8 * MIB;
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(size, seed), size), 0);
  CHECK(find_entry(id).wbuffer > 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  return size;
}

TEST(S_02_high_goes_before_low) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  const size_t size = block_output(id, 1);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, text_block("low1 "), 5), 0);
  CHECK_EQ(send_text(id, "high1 "), 0);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, text_block("low2 "), 5), 0);
  CHECK_EQ(send_text(id, "high2 "), 0);
  struct reader reader;
  reader_start(&reader, peer, size + 22, 1);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, 0, NULL);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK(is_pattern(reader.bytes, size, 0, 1));
  CHECK(memcmp(reader.bytes + size, "high1 high2 low1 low2 ", 22) == 0);
}

TEST(S_02_low_is_as_good_as_high_when_both_queues_are_empty) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, pattern(16 * MIB, 1), 16 * MIB), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  CHECK_EQ(send_text(id, "high"), 0);
  struct reader reader;
  reader_start(&reader, peer, 16 * MIB + 4, 1);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, 0, NULL);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK(is_pattern(reader.bytes, 16 * MIB, 0, 1));
  CHECK(memcmp(reader.bytes + 16 * MIB, "high", 4) == 0);
}

TEST(S_02_a_low_buffer_of_which_a_part_is_sent_is_finished_before_any_other_byte) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  const size_t high = block_output(id, 1);
  const size_t low = 32 * MIB;
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, pattern(low, 2), low), 0);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, text_block("low2"), 4), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  struct reader first; /* until some of the low buffer has been written for certain */
  reader_start(&first, peer, high + 1, 1);
  RUN_UNTIL(&first.done);
  reader_join(&first);
  CHECK(first.got == high + 1);
  CHECK(find_entry(id).wbuffer > 4); /* and not all of it */
  CHECK_EQ(send_text(id, "high2"), 0);
  struct reader rest;
  reader_start(&rest, peer, low - 1 + 9, 1);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, 0, NULL);
  RUN_UNTIL(&rest.done);
  reader_join(&rest);
  CHECK(is_pattern(rest.bytes, low - 1, 1, 2));
  CHECK(memcmp(rest.bytes + low - 1, "high2low2", 9) == 0);
}

TEST(S_03_a_high_send_is_written_by_its_caller_when_nothing_waits) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK_EQ(send_text(id, "direct"), 0);
  peer_expect(peer, "direct"); /* nobody has polled */
}

TEST(S_03_the_rest_of_a_direct_write_goes_ahead_of_what_is_sent_later) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  const size_t size = block_output(id, 5);
  CHECK((size_t)find_entry(id).wbuffer < size); /* a part was written directly */
  CHECK_EQ(send_text(id, "later"), 0);
  struct reader reader;
  reader_start(&reader, peer, size + 5, 1);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, 0, NULL);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK(is_pattern(reader.bytes, size, 0, 5));
  CHECK(memcmp(reader.bytes + size, "later", 5) == 0);
}

TEST(S_03_low_priority_output_arrives_through_the_poll_loop) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  struct reader reader;
  reader_start(&reader, peer, 3, 1);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, text_block("low"), 3), 0);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK(memcmp(reader.bytes, "low", 3) == 0);
}

/* --- S-04: refused sends --- */

static void expect_refused(int id) {
  struct object object = {"xyz", 3, 0, 0, 0};
  install_objects();
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, text_block("memory"), 6), -1);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_RAWPOINTER, "raw", 3), -1);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, &object, 0), -1);
  CHECK_EQ(object.frees, 1);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, text_block("memory"), 6), -1);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_RAWPOINTER, "raw", 3), -1);
  object.frees = 0;
  CHECK_EQ(send_low(id, SOCKET_BUFFER_OBJECT, &object, 0), -1);
  CHECK_EQ(object.frees, 1);
}

TEST(S_04_a_send_to_an_unknown_id_is_refused_and_its_buffer_released) {
  expect_refused(NO_SUCH_ID);
  expect_refused(0);
  expect_refused(-1);
  expect_refused(-2147483647);
  EXPECT_QUIET();
}

TEST(S_04_a_send_to_a_closed_id_is_refused_and_its_buffer_released) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_close(server, OWNER, id);
  expect_refused(id); /* from the call on, whatever the poll loop has done yet */
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  expect_refused(id);
  peer_expect_end(peer);
}

TEST(S_04_a_send_to_a_shut_down_id_is_refused_and_its_buffer_released) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_shutdown(server, OWNER, id);
  expect_refused(id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  expect_refused(id);
}

TEST(S_04_a_send_to_a_closing_id_with_output_left_is_refused) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  const size_t size = block_output(id, 3);
  socket_server_close(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  expect_refused(id);
  struct reader reader;
  reader_start(&reader, peer, SIZE_MAX, 0);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK_EQ(reader.error, 0);
  CHECK_EQ(reader.got, size);
}

TEST(S_04_accepted_means_accepted_and_not_delivered) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  block_output(id, 3);
  CHECK_EQ(send_text(id, "accepted"), 0);
  socket_server_shutdown(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  EXPECT_QUIET();
}

TEST(S_04_a_send_of_no_bytes_is_accepted_and_its_buffer_released) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  struct object object = {"", 0, 0, 0, 0};
  install_objects();
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, skynet_malloc(1), 0), 0);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, NULL, 0), 0);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_RAWPOINTER, "", 0), 0);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_RAWPOINTER, NULL, 0), 0);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, skynet_malloc(1), 0), 0);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, &object, 0), 0);
  CHECK_EQ(send_text(id, "after"), 0);
  peer_expect(peer, "after");
  EXPECT_QUIET();
  CHECK_EQ(object.frees, 1);
  CHECK_EQ(find_entry(id).wbuffer, 0);
}

TEST(S_04_a_buffer_of_an_unknown_kind_is_refused) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK_EQ(send_kind(id, 3, "bytes", 5), -1);
  CHECK_EQ(send_kind(id, -1, "bytes", 5), -1);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, "no interface is installed", 0), -1);
  CHECK_EQ(send_text(id, "after"), 0);
  peer_expect(peer, "after");
}

/* --- S-05 --- */

TEST(S_05_sends_to_a_socket_that_was_not_started_are_dropped_silently) {
  int listener = 0, peer = 0;
  const int id = open_accepted(OWNER, &listener, &peer);
  struct object object = {"lost", 4, 0, 0, 0};
  install_objects();
  CHECK_EQ(send_text(id, "lost"), 0);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, text_block("lost"), 4), 0);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, &object, 0), 0);
  CHECK_EQ(object.frees, 1);
  EXPECT_QUIET();
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "start");
  CHECK_EQ(send_text(id, "kept"), 0);
  peer_expect(peer, "kept");
}

TEST(S_05_sends_to_a_listener_are_dropped_and_their_buffers_released) {
  int port = 0;
  const int id = open_listener(OWNER, &port);
  struct object object = {"lost", 4, 0, 0, 0};
  install_objects();
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, text_block("lost"), 4), 0);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, &object, 0), 0);
  CHECK_EQ(object.frees, 1);
  EXPECT_QUIET();
  const int peer = peer_connect(port); /* it lives on */
  EXPECT_EVENT(SOCKET_ACCEPT, id, OWNER, UD_ANY, NULL);
  close(peer);
}

TEST(S_05_sends_after_the_peers_end_are_delivered) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK(shutdown(peer, SHUT_WR) == 0);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  CHECK_EQ(send_text(id, "still "), 0);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, text_block("here"), 4), 0);
  peer_expect(peer, "still here");
  socket_server_close(server, OWNER, id);
  EXPECT_QUIET();
  peer_expect_end(peer);
}

TEST(S_05_sends_to_a_socket_whose_output_is_dead_are_dropped_silently) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_pause(server, OWNER, id); /* so that the reset is first seen by a write */
  EXPECT_QUIET();
  struct object object = {"lost", 4, 0, 0, 0};
  install_objects();
  peer_reset(peer);
  CHECK_EQ(send_text(id, "fails"), 0);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, &object, 0), 0);
  CHECK_EQ(object.frees, 1);
  const struct event error = EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, NULL);
  CHECK(error.text[0] != '\0');
}

/* --- S-17 --- */

TEST(S_17_a_warning_comes_at_1_MiB_and_at_each_doubling_and_0_when_drained) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  size_t total = 0;
  /* Fill the kernel's buffers first, so that from here on every byte is queued. */
  while (find_entry(id).wbuffer == 0) {
    total += 64 << 10;
    CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(64 << 10, 1), 64 << 10), 0);
  }
  EXPECT_QUIET(); /* not before 1 MiB */
  size_t queued = (size_t)find_entry(id).wbuffer;
  size_t next = MIB;
  int warnings = 0;
  while (queued < 9 * MIB) {
    total += 64 << 10;
    CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(64 << 10, 1), 64 << 10), 0);
    queued = (size_t)find_entry(id).wbuffer;
    if (queued < next) continue;
    EXPECT_EVENT(SOCKET_WARNING, id, OWNER, (int)((queued + 1023) / 1024), NULL);
    next *= 2;
    ++warnings;
  }
  CHECK_EQ(warnings, 4); /* 1, 2, 4, 8 MiB */
  EXPECT_QUIET();
  struct reader reader;
  reader_start(&reader, peer, total, 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, 0, NULL);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  EXPECT_QUIET();
}

TEST(S_17_one_send_gives_at_most_one_warning_and_the_size_is_rounded_up) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  block_output(id, 1);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(40 * MIB, 1), 40 * MIB), 0);
  const long long queued = find_entry(id).wbuffer;
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, (int)((queued + 1023) / 1024), NULL);
  EXPECT_QUIET();
}

TEST(S_17_after_the_drain_the_threshold_is_1_MiB_again) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  for (int round = 0; round < 3; ++round) {
    const size_t size = block_output(id, 1);
    struct reader reader;
    reader_start(&reader, peer, size, 0);
    EXPECT_EVENT(SOCKET_WARNING, id, OWNER, 0, NULL);
    RUN_UNTIL(&reader.done);
    reader_join(&reader);
  }
}

TEST(S_17_a_warning_goes_to_the_new_owner_after_a_transfer) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  const size_t size = block_output(id, 1);
  socket_server_start(server, OTHER_OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OTHER_OWNER, 0, "transfer");
  struct reader reader;
  reader_start(&reader, peer, size, 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OTHER_OWNER, 0, NULL);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
}

/* --- S-23 and the ownership of buffers --- */

TEST(S_23_socket_server_userobject_frees_an_object_once_when_it_was_sent) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  struct object object = {"object", 6, 0, 0, 0};
  install_objects();
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, &object, 12345), 0); /* sz is not the object's */
  peer_expect(peer, "object");
  CHECK(object.buffers >= 1 && object.sizes >= 1);
  CHECK_EQ(object.frees, 1);
}

TEST(S_23_an_object_that_waits_is_freed_once_after_its_last_byte) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  const size_t size = 16 * MIB;
  struct object object = {keep(pattern(size, 4)), size, 0, 0, 0};
  install_objects();
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, &object, 0), 0);
  CHECK_EQ(object.frees, 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  struct reader reader;
  reader_start(&reader, peer, size, 1);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, 0, NULL);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK(is_pattern(reader.bytes, size, 0, 4));
  CHECK_EQ(object.frees, 1);
}

TEST(S_23_a_queued_object_is_freed_once_by_shutdown) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  struct object object = {"object", 6, 0, 0, 0};
  install_objects();
  block_output(id, 1);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_OBJECT, &object, 0), 0);
  CHECK_EQ(object.frees, 0);
  socket_server_shutdown(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  CHECK_EQ(object.frees, 1);
}

TEST(S_23_a_queued_object_is_freed_once_by_release) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  struct object object = {"object", 6, 0, 0, 0};
  install_objects();
  block_output(id, 1);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, &object, 0), 0);
  socket_server_release(server);
  CHECK_EQ(object.frees, 1);
  server = socket_server_create(0); /* for the harness */
}

TEST(S_23_an_object_queued_before_the_connect_fails_is_freed_once) {
  struct object object = {"object", 6, 0, 0, 0};
  install_objects();
  const int id = socket_server_connect(server, OWNER, "127.0.0.1", refusing_port());
  CHECK(id > 0);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_OBJECT, &object, 0), 0);
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, strerror(ECONNREFUSED));
  CHECK_EQ(object.frees, 1);
}

TEST(S_23_an_object_in_a_datagram_is_freed_once_whether_sent_or_dropped) {
  struct object object = {"object", 6, 0, 0, 0};
  install_objects();
  const int lonely = socket_server_udp(server, OWNER, NULL, 0);
  CHECK_EQ(send_kind(lonely, SOCKET_BUFFER_OBJECT, &object, 0), 0); /* no destination: dropped */
  CHECK_EQ(object.frees, 1);
  int port = 0;
  close(peer_listen(&port));
  const int dialed = socket_server_udp_dial(server, OWNER, "127.0.0.1", port);
  object.frees = 0;
  CHECK_EQ(send_kind(dialed, SOCKET_BUFFER_OBJECT, &object, 0), 0);
  CHECK_EQ(object.frees, 1);
  const struct socket_udp_address* nowhere = NULL;
  struct socket_sendbuffer send = {dialed, SOCKET_BUFFER_OBJECT, &object, 0};
  object.frees = 0;
  CHECK_EQ(socket_server_udp_send(server, nowhere, &send), -1);
  CHECK_EQ(object.frees, 1);
}

TEST(socket_server_send_leaves_a_rawpointer_to_its_caller_who_may_change_it_at_once) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  const size_t size = 16 * MIB; /* more than is written at once */
  char* bytes = pattern(size, 6);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_RAWPOINTER, bytes, size), 0);
  memset(bytes, 0, size);
  skynet_free(bytes);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  struct reader reader;
  reader_start(&reader, peer, size, 1);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, 0, NULL);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK(is_pattern(reader.bytes, size, 0, 6));
}

TEST(socket_server_send_lowpriority_takes_all_three_kinds) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  struct object object = {"object", 6, 0, 0, 0};
  install_objects();
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, text_block("memory "), 7), 0);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_RAWPOINTER, "raw ", 4), 0);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_OBJECT, &object, 0), 0);
  struct reader reader;
  reader_start(&reader, peer, 17, 1);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK(memcmp(reader.bytes, "memory raw object", 17) == 0);
  CHECK_EQ(object.frees, 1);
}
