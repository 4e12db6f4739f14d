/* S-06 to S-16: how sockets begin, change hands, rest and end. */
#include "engine.h"

/* --- S-06 --- */

TEST(S_06_socket_server_start_gives_an_accepted_socket_to_the_caller_who_hears_start) {
  int listener = 0, peer = 0;
  const int id = open_accepted(OWNER, &listener, &peer);
  peer_write(peer, "early");
  socket_server_start(server, OTHER_OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OTHER_OWNER, 0, "start");
  EXPECT_DATA(id, OTHER_OWNER, "early");
}

TEST(S_06_start_on_a_listener_begins_accepting_and_gives_it_to_the_caller) {
  const int id = socket_server_listen(server, OWNER, "127.0.0.1", 0, 16);
  const int port = EXPECT_EVENT(SOCKET_OPEN, id, OWNER, UD_ANY, "127.0.0.1").ud;
  const int peer = peer_connect(port);
  EXPECT_QUIET(); /* accepting begins only after start */
  socket_server_start(server, OTHER_OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OTHER_OWNER, 0, "start");
  EXPECT_EVENT(SOCKET_ACCEPT, id, OTHER_OWNER, UD_ANY, NULL);
  close(peer);
}

TEST(S_06_start_on_a_connected_socket_transfers_it_and_the_old_owner_is_told_nothing) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_start(server, OTHER_OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OTHER_OWNER, 0, "transfer");
  peer_write(peer, "for the new one");
  EXPECT_DATA(id, OTHER_OWNER, "for the new one");
  EXPECT_QUIET();
  CHECK_EQ(find_entry(id).opaque, OTHER_OWNER);
}

TEST(S_06_events_that_came_before_a_transfer_stay_with_the_old_owner) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  peer_write(peer, "old");
  wake_engine(); /* the data waits behind this answer when the start is asked for */
  struct event answer = next_event();
  CHECK_EQ(answer.opaque, ASKER);
  socket_server_start(server, OTHER_OWNER, id);
  EXPECT_DATA(id, OWNER, "old");
  EXPECT_EVENT(SOCKET_OPEN, id, OTHER_OWNER, 0, "transfer");
}

TEST(S_06_a_plain_resume_is_answered_with_transfer_too) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "transfer");
  socket_server_pause(server, OWNER, id);
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "transfer");
}

TEST(S_06_start_after_the_peers_end_is_an_error_for_the_caller) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK(shutdown(peer, SHUT_WR) == 0);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  socket_server_start(server, OTHER_OWNER, id);
  EXPECT_EVENT(SOCKET_ERR, id, OTHER_OWNER, 0, "socket closed");
  CHECK_EQ(find_entry(id).opaque, OWNER); /* the id is unchanged */
  CHECK_EQ(send_text(id, "still open"), 0);
  peer_expect(peer, "still open");
}

TEST(S_06_start_on_an_unknown_id_is_an_error_for_the_caller) {
  socket_server_start(server, OTHER_OWNER, NO_SUCH_ID);
  EXPECT_EVENT(SOCKET_ERR, NO_SUCH_ID, OTHER_OWNER, 0, "invalid socket");
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_close(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  peer_expect_end(peer);
  EXPECT_QUIET();
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, "invalid socket");
}

TEST(S_06_start_on_a_listening_listener_has_no_answer_and_the_owner_stays) {
  int port = 0;
  const int id = open_listener(OWNER, &port);
  socket_server_start(server, OTHER_OWNER, id);
  EXPECT_QUIET();
  const int peer = peer_connect(port);
  EXPECT_EVENT(SOCKET_ACCEPT, id, OWNER, UD_ANY, NULL);
  close(peer);
}

TEST(S_06_start_while_connecting_has_no_answer_and_the_owner_stays) {
  int port = 0;
  const int listener = peer_listen(&port);
  const int id = socket_server_connect(server, OWNER, "127.0.0.1", port);
  socket_server_start(server, OTHER_OWNER, id);
  const struct event opened = next_event();
  CHECK_EQ(opened.id, id);
  if (opened.opaque == OTHER_OWNER) { /* it was connected before the start was seen */
    CHECK_TEXT(opened.text, "transfer");
  } else {
    CHECK_EQ(opened.opaque, OWNER);
    CHECK_TEXT(opened.text, "127.0.0.1");
  }
  close(listener);
}

TEST(S_06_start_on_a_bound_descriptor_has_no_answer_and_the_owner_stays) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const int id = socket_server_bind(server, OWNER, ends[0]);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "binding");
  socket_server_pause(server, OWNER, id);
  EXPECT_QUIET();
  peer_write(ends[1], "waits");
  EXPECT_QUIET();
  socket_server_start(server, OTHER_OWNER, id);
  EXPECT_DATA(id, OWNER, "waits"); /* reading is armed again */
}

TEST(S_06_start_with_a_dead_output_has_no_answer_and_CLOSE_follows) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_pause(server, OWNER, id);
  EXPECT_QUIET();
  peer_write(peer, "last words");
  /* The peer's descriptor goes with our bytes unread: it answers every byte with a reset. */
  CHECK_EQ(send_text(id, "unread"), 0);
  EXPECT_QUIET();
  close(peer);
  struct event error;
  do { /* the first write after the reset fails */
    (void)send_text(id, "x");
    wake_engine();
    error = next_event();
  } while (error.opaque == ASKER);
  CHECK_EQ(error.type, SOCKET_ERR);
  CHECK_EQ(error.id, id);
  socket_server_start(server, OTHER_OWNER, id);
  for (;;) { /* perhaps data, then CLOSE; never an OPEN */
    struct event event = next_event();
    if (event.opaque == ASKER) continue;
    if (event.type == SOCKET_DATA) {
      free_event(&event);
      continue;
    }
    CHECK_EQ(event.type, SOCKET_CLOSE);
    CHECK_EQ(event.id, id);
    break;
  }
}

TEST(S_06_start_on_a_datagram_socket_is_a_transfer) {
  const int id = socket_server_udp(server, OWNER, "127.0.0.1", 0);
  socket_server_start(server, OTHER_OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OTHER_OWNER, 0, "transfer");
}

TEST(S_06_a_listener_by_name_may_be_started_before_its_name_is_found) {
  const int id = socket_server_listen(server, OWNER, "localhost", 0, 16);
  CHECK(id > 0);
  socket_server_start(server, OTHER_OWNER, id); /* as the C gate does: right behind listen */
  const struct event opened = EXPECT_EVENT(SOCKET_OPEN, id, OWNER, UD_ANY, NULL);
  CHECK(opened.ud > 0);
  EXPECT_EVENT(SOCKET_OPEN, id, OTHER_OWNER, 0, "start");
  const int peer = peer_connect_to(opened.text, opened.ud);
  EXPECT_EVENT(SOCKET_ACCEPT, id, OTHER_OWNER, UD_ANY, NULL);
  close(peer);
}

/* --- S-07, S-08 --- */

TEST(S_07_an_accepted_socket_delivers_nothing_before_start) {
  int listener = 0, peer = 0;
  const int id = open_accepted(OWNER, &listener, &peer);
  peer_write(peer, "waits");
  CHECK(shutdown(peer, SHUT_WR) == 0);
  EXPECT_QUIET();
  CHECK_EQ(find_entry(id).id, 0); /* nor is it listed */
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "start");
  EXPECT_DATA(id, OWNER, "waits");
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
}

TEST(S_07_an_accepted_socket_belongs_to_the_listeners_owner_until_it_is_started) {
  int listener = 0, peer = 0;
  const int id = open_accepted(OWNER, &listener, &peer);
  socket_server_close(server, OTHER_OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  peer_expect_end(peer);
}

TEST(S_08_an_outgoing_connection_delivers_data_without_start) {
  int port = 0;
  const int listener = peer_listen(&port);
  const int id = socket_server_connect(server, OWNER, "127.0.0.1", port);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "127.0.0.1");
  const int peer = peer_accept(listener);
  peer_write(peer, "unasked");
  EXPECT_DATA(id, OWNER, "unasked");
}

TEST(S_08_a_bound_descriptor_delivers_data_without_start) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  const int id = socket_server_bind(server, OWNER, ends[0]);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "binding");
  peer_write(ends[1], "unasked");
  EXPECT_DATA(id, OWNER, "unasked");
}

/* --- S-09 --- */

TEST(S_09_socket_server_pause_stops_data_until_the_socket_is_resumed) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_pause(server, OTHER_OWNER, id); /* whoever calls */
  EXPECT_QUIET();
  peer_write(peer, "later");
  EXPECT_QUIET();
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "transfer");
  EXPECT_DATA(id, OWNER, "later");
}

TEST(S_09_a_paused_socket_still_writes) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_pause(server, OWNER, id);
  EXPECT_QUIET();
  const size_t size = 8 * MIB;
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(size, 2), size), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  struct reader reader;
  reader_start(&reader, peer, size, 1);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, 0, NULL);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK(is_pattern(reader.bytes, size, 0, 2));
}

TEST(S_09_the_end_of_a_paused_peer_is_noticed_at_the_latest_on_resume) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_pause(server, OWNER, id);
  EXPECT_QUIET();
  peer_write(peer, "last");
  close(peer);
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "transfer");
  EXPECT_DATA(id, OWNER, "last");
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
}

TEST(S_09_a_reset_of_a_paused_peer_is_noticed_at_the_latest_on_resume) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_pause(server, OWNER, id);
  EXPECT_QUIET();
  peer_reset(peer);
  socket_server_start(server, OWNER, id);
  struct event event = next_event();
  if (event.type == SOCKET_OPEN) event = next_event(); /* the resume came first */
  CHECK_EQ(event.type, SOCKET_ERR);
  CHECK_TEXT(event.text, strerror(ECONNRESET));
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
}

TEST(S_09_a_pause_before_the_connection_is_made_holds_afterwards) {
  int port = 0;
  const int listener = peer_listen(&port);
  const int id = socket_server_connect(server, OWNER, "127.0.0.1", port);
  socket_server_pause(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "127.0.0.1");
  const int peer = peer_accept(listener);
  peer_write(peer, "later");
  EXPECT_QUIET();
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "transfer");
  EXPECT_DATA(id, OWNER, "later");
}

TEST(S_09_a_paused_listener_accepts_nobody_until_it_is_resumed) {
  int port = 0;
  const int id = open_listener(OWNER, &port);
  socket_server_pause(server, OWNER, id);
  EXPECT_QUIET();
  const int peer = peer_connect(port); /* the kernel's queue takes it */
  EXPECT_QUIET();
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_ACCEPT, id, OWNER, UD_ANY, NULL);
  close(peer);
}

TEST(S_09_a_paused_datagram_socket_receives_later) {
  const int id = socket_server_udp_listen(server, OWNER, "127.0.0.1", unused_udp_port());
  socket_server_pause(server, OWNER, id);
  EXPECT_QUIET();
  EXPECT_QUIET();
  socket_server_start(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OWNER, 0, "transfer");
}

/* --- S-10 to S-14: CLOSE --- */

TEST(S_10_socket_server_close_by_a_stranger_tells_the_owner_once) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_close(server, OTHER_OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  peer_expect_end(peer);
  EXPECT_QUIET();
}

TEST(S_10_close_goes_to_the_owner_at_that_moment) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_start(server, OTHER_OWNER, id);
  socket_server_close(server, OWNER, id);
  EXPECT_EVENT(SOCKET_OPEN, id, OTHER_OWNER, 0, "transfer");
  EXPECT_EVENT(SOCKET_CLOSE, id, OTHER_OWNER, 0, NULL);
  EXPECT_QUIET();
}

TEST(S_10_socket_server_shutdown_by_a_stranger_tells_the_owner_once) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_shutdown(server, OTHER_OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  EXPECT_QUIET();
}

TEST(S_10_the_end_of_the_peers_stream_tells_the_owner_once) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  close(peer);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  socket_server_close(server, OWNER, id);
  socket_server_shutdown(server, OWNER, id);
  EXPECT_QUIET();
}

TEST(S_10_close_and_the_peers_end_at_once_give_one_CLOSE) {
  for (int round = 0; round < 200; ++round) {
    int peer = 0;
    const int id = open_pair(OWNER, &peer);
    close(peer);
    socket_server_close(server, OWNER, id);
    EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
    EXPECT_QUIET();
  }
}

TEST(S_11_after_the_peers_end_the_id_lives_until_close) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK(shutdown(peer, SHUT_WR) == 0);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  CHECK_EQ(find_entry(id).type, SOCKET_INFO_CLOSING);
  const size_t size = 8 * MIB; /* output may still be sent, much of it */
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(size, 8), size), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  socket_server_close(server, OWNER, id);
  struct reader reader;
  reader_start(&reader, peer, SIZE_MAX, 0);
  RUN_UNTIL(&reader.done); /* and no second CLOSE */
  reader_join(&reader);
  CHECK_EQ(reader.error, 0);
  CHECK_EQ(reader.got, size);
  EXPECT_QUIET();
  CHECK_EQ(find_entry(id).id, 0);
}

TEST(S_11_shutdown_after_the_peers_end_frees_the_id_without_a_second_CLOSE) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK(shutdown(peer, SHUT_WR) == 0);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  socket_server_shutdown(server, OWNER, id);
  EXPECT_QUIET();
  CHECK_EQ(find_entry(id).id, 0);
}

TEST(S_12_close_tells_at_once_and_the_rest_of_the_output_is_sent) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  const size_t size = 8 * MIB;
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(size, 9), size), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  CHECK_EQ(send_low(id, SOCKET_BUFFER_MEMORY, text_block("end"), 3), 0);
  peer_write(peer, "never read");
  socket_server_close(server, OWNER, id);
  struct event event = next_event();
  if (event.type == SOCKET_DATA) { /* it came before the close was seen */
    free_event(&event);
    event = next_event();
  }
  CHECK_EQ(event.type, SOCKET_CLOSE);
  CHECK_EQ(find_entry(id).type, SOCKET_INFO_CLOSING);
  peer_write(peer, "never read either");
  struct reader reader;
  reader_start(&reader, peer, size + 3, 1);
  RUN_UNTIL(&reader.done); /* no further event */
  reader_join(&reader);
  CHECK(is_pattern(reader.bytes, size, 0, 9));
  CHECK(memcmp(reader.bytes + size, "end", 3) == 0);
  peer_expect_end(peer);
  close(peer);
  EXPECT_QUIET();
}

TEST(S_12_close_with_nothing_left_closes_at_once) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  socket_server_close(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  peer_expect_end(peer);
  close(peer);
  while (find_entry(id).id != 0) EXPECT_QUIET(); /* at the latest with the peer's own end (D-15) */
}

TEST(S_13_shutdown_discards_the_output) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  const size_t size = 32 * MIB;
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(size, 9), size), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  socket_server_shutdown(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  CHECK_EQ(find_entry(id).id, 0);
  struct reader reader;
  reader_start(&reader, peer, SIZE_MAX, 0);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
  CHECK(reader.got < size);
}

TEST(S_13_shutdown_of_a_closing_id_ends_it_without_a_second_CLOSE) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(32 * MIB, 9), 32 * MIB), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  socket_server_close(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  socket_server_shutdown(server, OWNER, id);
  EXPECT_QUIET();
  CHECK_EQ(find_entry(id).id, 0);
}

TEST(S_13_shutdown_of_a_listener_and_of_an_accepted_socket_gives_CLOSE) {
  int listener = 0, peer = 0;
  const int id = open_accepted(OWNER, &listener, &peer);
  socket_server_shutdown(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  socket_server_shutdown(server, OWNER, listener);
  EXPECT_EVENT(SOCKET_CLOSE, listener, OWNER, 0, NULL);
  EXPECT_QUIET();
}

TEST(S_14_closing_an_id_that_is_gone_does_nothing) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  for (int round = 0; round < 3; ++round) {
    socket_server_close(server, OWNER, id);
    socket_server_shutdown(server, OWNER, id);
  }
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  const int later = open_pair(OTHER_OWNER, &peer); /* it may use the same slot and descriptor */
  socket_server_close(server, OWNER, id);
  socket_server_shutdown(server, OWNER, id);
  socket_server_pause(server, OWNER, id);
  socket_server_close(server, OWNER, 0);
  socket_server_close(server, OWNER, -1);
  socket_server_shutdown(server, OWNER, NO_SUCH_ID);
  EXPECT_QUIET();
  peer_write(peer, "untouched");
  EXPECT_DATA(later, OTHER_OWNER, "untouched");
}

TEST(S_14_ids_are_not_given_out_again_soon) {
  enum { IDS = 20000 };
  static int seen[IDS];
  for (int count = 0; count < IDS; ++count) {
    seen[count] = socket_server_udp(server, OWNER, NULL, 0);
    CHECK(seen[count] > 0);
    socket_server_shutdown(server, OWNER, seen[count]);
    EXPECT_EVENT(SOCKET_CLOSE, seen[count], OWNER, 0, NULL);
  }
  const int compared = 500; /* each with those before it */
  for (int count = compared; count < IDS; ++count) {
    for (int before = count - compared; before < count; ++before)
      CHECK(seen[before] != seen[count]);
  }
}

/* --- S-15, S-16 --- */

TEST(S_15_a_reset_by_the_peer_gives_ERROR_with_the_errno_text_and_then_CLOSE) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  peer_reset(peer);
  EXPECT_EVENT(SOCKET_ERR, id, OWNER, 0, strerror(ECONNRESET));
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  EXPECT_QUIET();
}

TEST(S_15_a_failed_write_gives_one_ERROR_and_the_end_of_the_stream_one_CLOSE) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  peer_reset(peer);
  CHECK_EQ(send_text(id, "into the void"), 0);
  int errors = 0;
  for (;;) {
    const struct event event = next_event();
    CHECK_EQ(event.id, id);
    CHECK_EQ(event.opaque, OWNER);
    if (event.type == SOCKET_CLOSE) break;
    CHECK_EQ(event.type, SOCKET_ERR);
    CHECK_EQ(++errors, 1);
  }
  CHECK_EQ(errors, 1);
  EXPECT_QUIET();
}

TEST(S_15_a_write_that_fails_after_close_gives_no_event_and_frees_the_id) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(32 * MIB, 9), 32 * MIB), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  socket_server_close(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  peer_reset(peer);
  while (find_entry(id).id != 0) EXPECT_QUIET();
  EXPECT_QUIET();
}

TEST(S_15_a_write_that_fails_after_the_peers_end_gives_no_event_and_frees_the_id) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK(shutdown(peer, SHUT_WR) == 0);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  peer_reset(peer);
  while (find_entry(id).id != 0) {
    (void)send_text(id, "x");
    EXPECT_QUIET();
  }
}

TEST(S_16_after_CLOSE_no_DATA_and_no_ERROR_come) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(8 * MIB, 9), 8 * MIB), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  socket_server_close(server, OWNER, id);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  peer_write(peer, "not delivered");
  EXPECT_QUIET();
  peer_reset(peer);
  EXPECT_QUIET();
}

TEST(S_16_a_warning_may_follow_the_CLOSE_of_the_peers_end) {
  int peer = 0;
  const int id = open_pair(OWNER, &peer);
  CHECK_EQ(send_kind(id, SOCKET_BUFFER_MEMORY, pattern(8 * MIB, 9), 8 * MIB), 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, UD_ANY, NULL);
  CHECK(shutdown(peer, SHUT_WR) == 0);
  EXPECT_EVENT(SOCKET_CLOSE, id, OWNER, 0, NULL);
  struct reader reader;
  reader_start(&reader, peer, 8 * MIB, 0);
  EXPECT_EVENT(SOCKET_WARNING, id, OWNER, 0, NULL);
  RUN_UNTIL(&reader.done);
  reader_join(&reader);
}
