#!/usr/bin/env python3
"""The rules of the kernel, and the differences that need a node of their own, through the C interface.

A test's name begins with the numbers of its rules (docs/reference/contract-tests.md): K_3_4 is section 3.4.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from probes import CLOSE, CONNECT, ERROR, MIB, WARNING, Message, ProbedNode, ProbeTest, connect, listen, open_peers
from node import (BUILD, DEADLINE, SANITIZE, command, config_text, free_port, is_asleep, receive_all, run_skyloom,
                  wait_until)

TEXT, RESPONSE, CLIENT, SYSTEM, FAILURE = 0, 1, 3, 4, 7


def hexed(text):
    return text.encode().hex() if text else "-"


class KernelRules(ProbeTest):
    """One node with its defaults."""

    SETTINGS = {"monitor_interval": 100, "own_switch": True, "own_number": 17, "own_key": "own value",
                "logpath": "FOLDER"}

    def heard_until(self, probe, session):
        """The messages up to the answer with this session."""
        heard = []
        while not heard or (heard[-1].type, heard[-1].session) != (RESPONSE, session):
            heard.append(probe.hear())
        return heard

    # --- 3.1

    def test_K_3_1_handles_are_given_out_in_increasing_order(self):
        self.assertEqual(self.world.first.handle, 2)  # the log service is 1
        self.assertLess(self.a.handle, self.b.handle)
        later = self.world.launch()
        self.assertLess(self.b.handle, later.handle)
        self.kill(later)

    def test_K_3_1_names_are_unique_and_end_with_their_service(self):
        owner = self.world.launch()
        self.assertEqual(owner.command("REG", ".one"), "one")
        self.assertEqual(owner.command("REG", ".two"), "two")  # one handle may have several
        self.assertEqual(self.a.command("REG", ".one"), "(null)")
        self.assertEqual(self.a.command("NAME", f".one :{self.a.handle:x}"), "(null)")
        self.assertEqual(self.a.command("QUERY", ".one"), f":{owner.handle:x}")
        self.assertEqual(self.a.ask("query", ".two"), f"{owner.handle:x}")
        self.kill(owner)
        self.assertEqual(self.a.command("QUERY", ".one"), "(null)")
        self.assertEqual(self.a.command("NAME", f".one :{self.b.handle:x}"), "one")
        self.assertEqual(self.a.do("post_name", ".one", TEXT, 5, hexed("by name")), 5)
        self.assertEqual(self.b.hear(), Message(TEXT, 5, self.a.handle, b"by name"))
        self.assertEqual(self.a.do("post_name", ".nobody", TEXT, 5, "aa"), -1)

    def test_K_3_1_text_forms_are_a_colon_and_hex_digits(self):
        self.assertEqual(self.a.command("REG"), f":{self.a.handle:x}")
        self.assertEqual(self.a.ask("query", ":ABCdef"), "abcdef")  # whether it exists or not
        self.assertEqual(self.a.ask("handle"), f"{self.a.handle:x}")

    def test_K_3_1_sending_to_a_dead_handle_is_minus_1_at_once(self):
        dead = self.world.launch()
        self.kill(dead)
        for own in ("-", "own"):
            self.assertEqual(self.a.do("post", f"{dead.handle:x}", TEXT, 0, hexed("x"), own), -1)
        self.assertEqual(self.a.do("post", "0", TEXT, 0, hexed("x")), -1)

    # --- 3.2, 3.3

    def test_K_3_2_messages_of_one_sender_arrive_in_order_and_as_they_were_sent(self):
        for number in range(300):
            own = "own" if number % 2 else "-"
            self.assertEqual(self.a.do("post", f"{self.b.handle:x}", 13 + number % 100, number, hexed(str(number)), own),
                             number)
        for number in range(300):
            self.assertEqual(self.b.hear(), Message(13 + number % 100, number, self.a.handle, str(number).encode()))

    def test_K_3_2_sessions_are_given_out_per_sender_in_increasing_order(self):
        for probe in (self.a, self.b):
            sessions = [int(probe.command("TIMEOUT", 0)) for _ in range(5)]
            self.assertEqual(sessions, list(range(sessions[0], sessions[0] + 5)))

    def test_K_3_2_a_message_without_payload_is_NULL_and_0(self):
        self.assertEqual(self.a.do("post", f"{self.b.handle:x}", CLIENT, 3, "-"), 3)
        self.assertEqual(self.b.hear(), Message(CLIENT, 3, self.a.handle, b""))

    def test_K_3_3_a_long_mailbox_is_warned_of_once_per_doubling(self):
        self.b.tell("stall")
        self.b.expect_answered()
        for number in range(2200):
            self.a.do("post", f"{self.b.handle:x}", TEXT, 0, "-")
        self.assertEqual(self.a.command("STAT", "mqlen"), "0")
        self.b.tell("go")
        for _ in range(2200):
            self.b.hear()
        source = f"\\[:{self.b.handle:08x}\\] error: May overload, message queue length = (\\d+)$"
        self.world.node.wait_for_line(source, count=1)
        lengths = [int(length) for length in re.findall(source, self.world.node.log(), re.MULTILINE)]
        self.assertTrue(1 <= len(lengths) <= 2, lengths)
        self.assertTrue(all(length > 1024 for length in lengths), lengths)

    def test_D_40_a_mailbox_that_was_long_gives_its_memory_back(self):
        count = 50000
        before = int(self.a.ask("heap"))
        self.b.tell("stall")
        self.b.expect_answered()
        self.assertEqual(self.a.do("flood", f"{self.b.handle:x}", count), count)
        during = int(self.a.ask("heap"))
        self.b.tell("go")
        for _ in range(count):
            self.b.hear()
        self.b.ask("now")
        if not SANITIZE:  # whose allocator tells no figures
            self.assertGreater(during - before, count * 24)
        # The answer leaves before the mailbox is looked at once more.
        wait_until(lambda: int(self.a.ask("heap")) - before < count * 12, "its memory is given back")

    # --- 3.4

    def test_K_3_4_timers_fire_in_order_and_never_early(self):
        began = int(self.a.ask("now"))
        sessions = {int(self.a.command("TIMEOUT", time)): time for time in (9, 3, 6, 3, 9)}
        heard = [self.a.hear() for _ in sessions]
        self.assertGreaterEqual(int(self.a.ask("now")) - began, 9)
        self.assertTrue(all(message == Message(RESPONSE, message.session, 0, b"") for message in heard))
        order = [message.session for message in heard]
        numbers = list(sessions)
        self.assertEqual(order, [numbers[1], numbers[3], numbers[2], numbers[0], numbers[4]])

    def test_K_3_4_a_time_of_0_or_less_is_a_message_at_once(self):
        for time in (0, -1, -2147483648):
            session = int(self.a.command("TIMEOUT", time))
            self.assertEqual(self.a.hear(), Message(RESPONSE, session, 0, b""))

    # --- 3.5

    def test_K_3_5_a_message_that_takes_long_is_told_of_and_flagged(self):
        self.assertEqual(self.b.command("STAT", "endless"), "0")
        self.a.do("post", f"{self.b.handle:x}", TEXT, 0, "-")
        self.b.hear()
        self.b.tell("stall")
        self.b.expect_answered()
        line = (rf"error: A message from \[ :[0-9a-f]{{8}} \] to \[ :{self.b.handle:08x} \] "
                r"maybe in an endless loop \(version = \d+\)$")
        self.world.node.wait_for_line(line, count=2)  # repeated at each look
        self.b.tell("go")
        self.assertEqual(self.b.command("STAT", "endless"), "1")
        self.assertEqual(self.b.command("STAT", "endless"), "0")  # reading clears it

    # --- 3.7

    def test_K_3_7_everybody_who_waits_for_a_dead_service_gets_an_error(self):
        dying = self.world.launch()
        dying.tell("stall")
        dying.expect_answered()
        for session in (7, 0, 8):
            self.assertEqual(self.a.do("post", f"{dying.handle:x}", TEXT, session, hexed("x")), session)
        self.kill(dying)
        for session in (7, 0, 8):
            self.assertEqual(self.a.hear(), Message(FAILURE, session, dying.handle, b""))
        self.world.node.wait_for_line(rf"\[:{self.world.first.handle:08x}\] KILL :{dying.handle:x}$")

    def test_K_3_7_EXIT_ends_the_service_itself_and_its_name_is_free_at_once(self):
        leaving = self.world.launch()
        leaving.command("REG", ".leaving")
        leaving.command("EXIT")
        self.assertEqual(self.a.command("QUERY", ".leaving"), "(null)")
        self.world.node.wait_for_line(rf"\[:{leaving.handle:08x}\] KILL self$")

    def test_K_3_7_the_monitor_hears_of_every_death(self):
        self.a.command("MONITOR", f":{self.a.handle:x}")
        self.assertEqual(self.b.command("MONITOR"), f":{self.a.handle:x}")
        dying = self.world.launch()
        self.kill(dying)
        self.assertEqual(self.a.hear(), Message(CLIENT, 0, dying.handle, b""))
        self.assertEqual(self.a.command("KILL", ":fffff1"), "(null)")  # nobody: no effect

    # --- 3.8, 3.10, 3.12

    def test_K_3_8_settings_and_defaults_are_in_the_environment(self):
        wanted = {"thread": "4", "harbor": "0", "profile": "true", "logservice": "logger", "own_switch": "true",
                  "own_number": "17", "own_key": "own value", "no_such_key": "(null)"}
        for key, value in wanted.items():
            self.assertEqual(self.a.command("GETENV", key), value, key)

    def test_D_04_SETENV_of_an_existing_key_logs_an_error_and_keeps_the_value(self):
        self.assertEqual(self.a.command("SETENV", "fresh first value"), "(null)")
        self.assertEqual(self.a.command("SETENV", "fresh second"), "(null)")
        self.assertEqual(self.b.command("GETENV", "fresh"), "first value")
        self.world.node.wait_for_line(rf"\[:{self.a.handle:08x}\] error: .*fresh")

    def test_D_05_malformed_commands_never_end_the_process(self):
        names = ("TIMEOUT", "REG", "QUERY", "NAME", "KILL", "LAUNCH", "GETENV", "SETENV", "STARTTIME", "MONITOR",
                 "STAT", "LOGON", "LOGOFF", "SIGNAL", "NOSUCH", "timeout")
        for name in names:
            for argument in ("-", ":", ".", ":zzz", ":ffffffffffffffff", "-1", "99999999999999999999", "x y z",
                             "." + "n" * 200, ". :1", ".n", ".n :", "%s%n%d", ":0", ":0 0x"):
                if name != "KILL" or not argument.startswith("."):  # a name that REG has just given to itself
                    self.a.command(name, argument)
        self.a.command("KILL", ".nobody")
        self.assertEqual(self.a.command("NOSUCH"), "(null)")
        self.assertEqual(self.a.command("STAT", "nosuch"), "")
        self.assertEqual(int(self.a.ask("handle"), 16), self.a.handle)

    def test_K_3_10_a_line_on_standard_output_has_the_handle_and_the_text(self):
        self.a.ask("error", "100% of %s as it is")
        self.world.node.wait_for_line(rf"^\[:{self.a.handle:08x}\] 100% of %s as it is$")
        self.a.command("LAUNCH", "no_such_module with arguments")
        self.world.node.wait_for_line(r"error: launch no_such_module FAILED$")
        self.world.node.wait_for_line(rf"^\[:{self.b.handle:08x}\] LAUNCH probe {self.world.path} more$")
        self.a.command("REG", "GLOBAL")
        self.world.node.wait_for_line("error: Can't register global name GLOBAL in C$")
        self.a.ask("query", "GLOBAL")
        self.world.node.wait_for_line("error: Don't support query global name GLOBAL$")
        self.a.do("post", "0", TEXT, 0, "aa")
        self.world.node.wait_for_line("error: Destination address can't be 0$")

    def test_K_3_11_D_43_LOGON_and_LOGOFF_while_messages_flow(self):
        path = self.world.node.folder / f"{self.b.handle:08x}.log"
        for number in range(60):
            if number % 10 == 0:
                self.a.command("LOGON", f":{self.b.handle:x}")
            self.a.do("post", f"{self.b.handle:x}", TEXT, number + 1, hexed("dumped"))
            if number % 10 == 5:
                self.a.command("LOGOFF", f":{self.b.handle:x}")
        for _ in range(60):
            self.b.hear()
        dump = wait_until(lambda: path.exists() and path.read_text(), "there is a dump")
        self.assertRegex(dump, r"\Aopen time: \d+ .*\n")
        self.assertRegex(dump, r"close time: \d+\n")
        for line in dump.splitlines():
            self.assertRegex(line, rf"^((open|close) time: \d+.*|:{self.a.handle:08x} 0 \d+ \d+ 64756d706564"
                                   r"|:[0-9a-f]{8} 200 0 \d+ .*)$")

    def test_K_3_12_messages_and_processor_time_are_counted_per_service(self):
        before = int(self.b.command("STAT", "message"))
        for _ in range(10):
            self.a.do("post", f"{self.b.handle:x}", TEXT, 0, "-")
        for _ in range(10):
            self.b.hear()
        self.assertEqual(int(self.b.command("STAT", "message")), before + 11)
        self.assertRegex(self.b.command("STAT", "cpu"), r"^\d+\.\d{6}$")

    def test_D_01_the_allocator_of_the_process_is_left_alone(self):
        defined = subprocess.run(["nm", "-D", "--defined-only", str(BUILD / "skyloom")], capture_output=True,
                                 text=True, check=True).stdout
        self.assertNotRegex(defined, r" [TW] (malloc|free|calloc|realloc|_Znwm|posix_memalign)\n")
        server, port = listen()
        client = self.a.do("connect", "localhost", port)  # the C library's plug-ins allocate and free as they like
        self.a.expect(CONNECT, client, 0, "127.0.0.1")

    def test_D_03_the_number_of_module_types_is_not_limited(self):
        folder = pathlib.Path(self.world.folder.name)
        for number in range(40):
            shutil.copy(BUILD / "tests/modules/raw_echo.so", folder / f"kind{number}.raw_echo.so")
        node = ProbedNode(cpath=f"{BUILD}/tests/modules/?.so;{folder}/?.so")
        for number in range(40):
            self.assertRegex(node.first.command("LAUNCH", f"kind{number}.raw_echo"), "^:[0-9A-F]{8}$")
        node.end()


class OwnNodes(unittest.TestCase):
    """Rules that need a configuration of their own, or the end of a node."""

    longMessage = True

    def tearDown(self):
        while open_peers:
            open_peers.pop().close()

    def probed(self, **settings):
        node = ProbedNode(**settings)
        self.addCleanup(node.node.dispose)
        return node

    def silent_address(self):
        """A port whose listener answers no more."""
        server = socket.socket()
        open_peers.append(server)
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = socket.socket()
            open_peers.append(waiting)
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        return server.getsockname()[1]

    def test_D_13_deadlines_end_a_socket_with_an_ERROR_that_names_them(self):
        node = self.probed(net_connect_timeout=150, net_write_timeout=150)
        client = node.first.do("connect", "127.0.0.1", self.silent_address())
        node.first.expect(ERROR, client, 0, "connect timeout")
        socket_id, _ = node.first.pair()
        node.first.do("send", socket_id, f"*{16 * MIB}")
        node.first.expect(WARNING, socket_id)
        node.first.expect(ERROR, socket_id, 0, "write timeout")
        node.first.expect(CLOSE, socket_id, 0, "")
        node.first.quiet()
        node.end()

    def test_D_13_an_idle_socket_ends_by_its_deadline_when_there_is_one(self):
        node = self.probed(net_idle_timeout=200)
        socket_id, _ = node.first.pair()
        node.first.expect(ERROR, socket_id, 0, "idle timeout")
        node.first.expect(CLOSE, socket_id, 0, "")
        node.end()

    def test_D_14_output_is_capped_and_the_policy_refuse_refuses(self):
        node = self.probed(net_wbuffer_max=2 * MIB, net_wbuffer_policy="refuse", net_warn_size=0)
        socket_id, peer = node.first.pair()
        accepted = 0
        while node.first.do("send", socket_id, "*262144") == 0:
            accepted += 262144
            self.assertLessEqual(node.first.info()[socket_id]["wbuffer"], 2 * MIB)
        node.first.do("close", socket_id)
        node.first.expect(CLOSE, socket_id, 0, "")
        self.assertEqual(len(receive_all(peer)), accepted)  # not a byte of what was accepted is lost
        node.end()

    def test_D_14_the_policy_close_ends_a_peer_that_does_not_read(self):
        node = self.probed(net_wbuffer_max=2 * MIB, net_wbuffer_policy="close", net_warn_size=0)
        socket_id, _ = node.first.pair()
        while node.first.do("send", socket_id, "*262144") == 0:
            pass
        node.first.expect(ERROR, socket_id, 0, "write buffer limit")
        node.first.expect(CLOSE, socket_id, 0, "")
        node.end()

    def test_D_02_what_exceeds_a_quota_fails_and_the_node_goes_on(self):
        node = self.probed(message_max=100000)
        other = node.launch()
        for own in ("-", "own"):
            self.assertEqual(node.first.do("post", f"{other.handle:x}", TEXT, 1, "*100001", own), -2)
        self.assertEqual(node.first.do("post", f"{other.handle:x}", TEXT, 1, "*100000"), 1)
        self.assertEqual(len(other.hear().bytes), 100000)
        node.node.wait_for_line(f"error: The message to {other.handle:x} is too large$")
        node.end()

    def test_D_03_a_cpath_entry_without_a_question_mark_is_told_at_start(self):
        self.starts_not("is no pattern|\\?", cpath="/tmp/no_pattern.so")

    def starts_not(self, reason, **settings):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            config.write(config_text({"bootstrap": "raw_echo", "harbor": 0, "cpath": f"{BUILD}/tests/modules/?.so",
                                      **settings}))
            config.flush()
            done = run_skyloom(config.name)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, reason)
        return done

    def test_K_3_6_start_errors_are_on_stderr_with_a_failing_exit_code(self):
        usage = run_skyloom()
        self.assertNotEqual(usage.returncode, 0)
        self.assertRegex(usage.stderr + usage.stdout, "(?i)usage")
        self.starts_not("thread", thread=0)
        self.starts_not("thread", thread=1025)
        self.starts_not("no_such_module", bootstrap="no_such_module")
        self.starts_not("no_such_logger", logservice="no_such_logger")
        self.assertNotEqual(run_skyloom("/no/such/config").returncode, 0)

    def test_K_3_6_SIGPIPE_is_ignored_and_SIGHUP_reaches_the_logger(self):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder) / "log"
            node = self.probed(logger=str(log))
            status = pathlib.Path(f"/proc/{node.node.pid}/status").read_text()
            ignored = int(re.search(r"SigIgn:\s+(\w+)", status)[1], 16)
            self.assertTrue(ignored & 1 << (signal.SIGPIPE - 1))
            log.rename(f"{log}.1")
            node.node.signal(signal.SIGHUP)  # it opens the file again
            wait_until(log.exists, "the log is there again")
            node.first.ask("error", "again")  # behind the reopening: it is in the new file
            wait_until(lambda: "again" in log.read_text(), "lines are in the new file")
            node.end()

    def test_K_3_10_a_line_in_a_file_has_the_local_time(self):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder) / "log"
            node = self.probed(logger=str(log))
            node.first.ask("error", "hello")
            line = r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d\.\d\d \[:00000002\] hello$"
            wait_until(lambda: re.search(line, log.read_text(), re.MULTILINE), "the line is in the file")
            node.end()

    def test_K_3_7_ABORT_ends_the_process_with_0(self):
        node = self.probed()
        node.first.tell("command", "ABORT")
        self.assertEqual(node.node.wait(), 0)

    def test_K_3_6_the_process_ends_with_0_when_the_last_service_is_gone(self):
        node = self.probed()
        node.first.command("KILL", ".logger")  # a service like any other
        self.assertTrue(node.node.is_running())
        node.first.tell("command", "EXIT")
        self.assertEqual(node.node.wait(), 0)

    def test_D_41_SIGTERM_flushes_what_was_accepted_and_ends_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            node = self.probed()
            listener, port = node.first.listener(free_port())  # the system would give 0's to another test
            socket_id, peer = node.first.pair()
            self.assertEqual(node.first.do("send", socket_id, f"*{16 * MIB}"), 0)
            node.node.signal(number)
            self.assertEqual(len(receive_all(peer)), 16 * MIB)
            self.assertEqual(node.node.wait(), 0)
            self.assertGreater(listener, 0)
            with self.assertRaises(ConnectionRefusedError):
                connect(port)

    def test_D_41_a_second_signal_stops_at_once(self):
        node = self.probed(shutdown_timeout=0)
        node.first.tell("stall")
        node.first.expect_answered()
        node.node.signal(signal.SIGTERM)
        node.node.signal(signal.SIGINT)
        node.node.wait()

    def test_K_3_8_include_and_NAME_work_and_an_unset_NAME_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "part").write_text('included = "$SKYLOOM_TEST_NAME here"\n')
            config = pathlib.Path(folder) / "config"
            config.write_text('include "part"\nharbor = 0\nthread = 0\nbootstrap = "raw_echo"\n')
            done = run_skyloom(config)  # NAME is not set
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("SKYLOOM_TEST_NAME", done.stderr)
            done = run_skyloom(config, env={**os.environ, "SKYLOOM_TEST_NAME": "value"})
            self.assertIn("thread", done.stderr)  # it got as far as the values
            self.assertNotIn("SKYLOOM_TEST_NAME", done.stderr)

    def test_K_3_9_the_logger_comes_first_and_then_the_bootstrap_service(self):
        node = self.probed()
        self.assertEqual(node.first.command("QUERY", ".logger"), ":1")
        self.assertEqual(node.first.command("REG"), ":2")
        node.node.wait_for_line(r"^\[:00000002\] LAUNCH probe .* first$")
        node.end()

    def test_D_42_a_log_that_nobody_reads_blocks_no_worker_and_the_loss_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            config, path = pathlib.Path(folder) / "config", f"{folder}/p"
            door = socket.socket(socket.AF_UNIX)
            door.bind(path)
            door.listen()
            door.settimeout(DEADLINE)
            config.write_text(config_text({"bootstrap": f"probe {path} first", "harbor": 0, "log_queue_max": 1000,
                                           "cpath": f"{BUILD}/tests/modules/?.so", "thread": 2}))
            # Standard output is a pipe that is read only at the end.
            process = subprocess.Popen(command(config), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            try:
                connection, _ = door.accept()
                connection.settimeout(DEADLINE)
                answers = connection.makefile("r")
                answers.readline()
                connection.sendall(b"errors 20000 100\nnow\n")
                self.assertEqual(answers.readline(), "= 0\n")  # the worker was not blocked
                self.assertRegex(answers.readline(), r"= \d+")
                wait_until(lambda: is_asleep(process.pid), "the logger has seen every line")
                process.send_signal(signal.SIGTERM)
                lines = process.communicate(timeout=DEADLINE)[0].decode()
            finally:
                process.kill()
                process.wait()
                connection.close()
                answers.close()
                door.close()
            self.assertIn("line 0 ", lines)
            lost = [int(number) for number in re.findall(r"(\d+) log lines? (?:were )?(?:lost|dropped)", lines)]
            kept = len(re.findall(r"line \d+ 0+$", lines, re.MULTILINE))
            self.assertLess(kept, 20000)
            self.assertIn(sum(lost) - (20000 - kept), range(100), lines[-300:])  # and lines of the node's own


if __name__ == "__main__":
    unittest.main(verbosity=2)
