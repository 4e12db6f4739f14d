#!/usr/bin/env python3
"""The command line, and everything that keeps a node from starting: each with its reason and code."""
import ctypes
import errno
import pathlib
import re
import resource
import signal
import socket
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from node import BUILD, Node, NodeTest, config_text, connect, frame, receive_exactly, run_skyloom  # noqa: E402

WRONG = 2  # usage or configuration
FAILED = 1  # could not start


def forbid_io_uring():
    """What a container's seccomp profile does: io_uring_setup() answers EPERM from now on."""
    load_number, jump_if_equal, answer = 0x20, 0x15, 0x06  # classic BPF, on struct seccomp_data
    io_uring_setup = 425  # the same on every architecture
    refuse, allow = 0x00050000 | errno.EPERM, 0x7FFF0000
    program = [(load_number, 0, 0, 0), (jump_if_equal, 0, 1, io_uring_setup), (answer, 0, 0, refuse),
               (answer, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    filter_program = struct.pack("HP", len(program), ctypes.addressof(code))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    set_no_new_privs, set_seccomp, mode_filter = 38, 22, 2
    if prctl(set_no_new_privs, 1, 0, 0, 0) or prctl(set_seccomp, mode_filter, filter_program, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


class StartTest(NodeTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="skyloom_test_")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, text, name="config"):
        path = self.folder / name
        path.write_text(text)
        return path

    def config(self, **settings):
        return self.write(config_text({**Node.DEFAULTS, **settings}))

    def assert_refused(self, path, *reasons, code=WRONG):
        """The program ends with the code, says why on stderr, and prints no log of a started node."""
        done = run_skyloom(path)
        self.assertEqual(done.returncode, code, done)
        for reason in reasons:
            self.assertRegex(done.stderr, reason)
        self.assertLess(len(done.stderr.splitlines()), 30, done.stderr)
        if code == WRONG:
            self.assertEqual(done.stdout, "")
        return done

    # --- the command line

    def test_help_and_version_are_told(self):
        self.assertRegex(run_skyloom("--version").stdout, r"^skyloom \d+\.\d+\.\d+\n$")
        done = run_skyloom("--help")
        self.assertEqual(done.returncode, 0)
        for word in ("CONFIG", "--check", "--version", "SIGHUP"):
            self.assertIn(word, done.stdout)

    def test_wrong_usage_is_2(self):
        for arguments in ((), ("--no-such-option",), ("a", "b")):
            done = run_skyloom(*arguments)
            self.assertEqual(done.returncode, WRONG, done)
            self.assertNotEqual(done.stderr, "")

    def test_check_reads_the_config_and_starts_nothing(self):
        good = run_skyloom("--check", self.config(bootstrap="no_such_module"))
        self.assertEqual((good.returncode, good.stderr), (0, ""))
        bad = run_skyloom("--check", self.write("thread = 0\n"))
        self.assertEqual(bad.returncode, WRONG)
        self.assertIn("thread", bad.stderr)

    # --- wrong configurations

    def test_a_missing_config_is_named(self):
        self.assert_refused(self.folder / "no_such_file", "no_such_file", "No such file or directory")
        self.assert_refused(self.folder, str(self.folder))

    def test_a_syntax_error_has_its_line(self):
        self.assert_refused(self.write("thread = 2\nharbor = = 0\n"), "config:2:")
        self.assert_refused(self.write("thread = 2\nerror('on purpose')\n"), "config:2:.*on purpose")
        self.assert_refused(self.write("while true do end\n"), "config")
        self.assert_refused(self.write("\x1bLua\x00\x01"), "config")
        self.assert_refused(self.write("include 'no_such_file'\n"), "no_such_file")

    def test_an_unset_variable_is_named(self):
        self.assert_refused(self.write("thread = $SKYLOOM_NO_SUCH_VARIABLE\n"),
                            "SKYLOOM_NO_SUCH_VARIABLE")

    def test_a_value_of_the_wrong_type_is_named_with_its_key(self):
        self.assert_refused(self.write("thread = {}\n"), "thread", "table")
        self.assert_refused(self.write("own_key = function() end\n"), "own_key", "function")
        for key, value in (("thread", '"many"'), ("thread", "true"), ("thread", "1.5"), ("harbor", '"x"'),
                           ("net_threads", "false"), ("profile", '"sometimes"'),
                           ("shutdown_timeout", '"soon"'), ("net_wbuffer_policy", '"panic"')):
            self.assert_refused(self.write(f"{key} = {value}\n"), key, value.strip('"'), "must be|one of")

    def test_values_out_of_range_are_named_with_the_range(self):
        for key, value in (("thread", 0), ("thread", -1), ("thread", 1000000), ("harbor", 256),
                           ("net_threads", 65), ("net_read_max", 1)):
            self.assert_refused(self.write(f"{key} = {value}\n"), key, str(value), r"\d+ to \d+")

    def test_a_key_that_looks_like_ours_and_is_not_is_refused(self):
        self.assert_refused(self.write("net_thread = 1\n"), "net_thread")

    def test_a_cpath_without_question_mark_is_refused(self):
        done = run_skyloom(self.config(cpath="/no/pattern.so", bootstrap="raw_echo"))
        self.assertIn(done.returncode, (WRONG, FAILED))
        self.assertIn("cpath", done.stderr)

    # --- starts that fail

    def test_an_unknown_bootstrap_module_fails(self):
        done = self.assert_refused(self.config(bootstrap="no_such_module"), "no_such_module|bootstrap",
                                   code=FAILED)
        self.assertIn("no_such_module", done.stdout + done.stderr)

    def test_a_module_without_init_fails_and_says_so(self):
        done = self.assert_refused(self.config(bootstrap="fixture_no_init"), code=FAILED)
        self.assertRegex(done.stdout + done.stderr, "fixture_no_init_init")

    def test_an_init_that_fails_fails_the_start(self):
        done = self.assert_refused(self.config(bootstrap="launching fail"), code=FAILED)
        self.assertRegex(done.stdout + done.stderr, "error: launch launching FAILED")

    def test_a_log_file_that_cannot_be_opened_fails_the_start(self):
        self.assert_refused(self.config(bootstrap="raw_echo", logger="/no/such/folder/log"), "logger",
                            code=FAILED)

    def test_an_unknown_log_service_fails_the_start(self):
        self.assert_refused(self.config(bootstrap="raw_echo", logservice="no_such_log"), "no_such_log",
                            code=FAILED)

    def test_a_module_name_with_a_path_in_it_is_refused(self):
        for name in (f"{BUILD}/tests/modules/raw_echo", "../modules/raw_echo", "./raw_echo"):
            self.assert_refused(self.config(bootstrap=name), code=FAILED)

    def test_a_port_in_use_fails_with_the_reason(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            for bootstrap in (f"raw_echo 127.0.0.1 {port}", f"gate S ! 127.0.0.1:{port} 0 10"):
                done = self.assert_refused(self.config(bootstrap=bootstrap), code=FAILED)
                self.assertRegex(done.stdout + done.stderr, "(?i)address already in use")

    def test_a_bad_address_fails_with_the_reason(self):
        for address in ("192.0.2.1:5000", "127.0.0.1:70000", "127.0.0.1:-1", "127.0.0.1:port", "nonsense"):
            done = self.assert_refused(self.config(bootstrap=f"gate S ! {address} 0 10"), code=FAILED)
            self.assertIn("gate", done.stdout)

    def test_gate_arguments_that_make_no_sense_fail(self):
        for arguments in ("", "S", "X ! 0 0 10", "S ! 0", "S ! 0 0 0", "S ! 0 0 -5", "S ! 0 0 many",
                          "S .nobody 127.0.0.1:0 0 10"):
            self.assert_refused(self.config(bootstrap=f"gate {arguments}"), code=FAILED)

    # --- starts that look odd and work

    def test_port_0_is_a_port_of_the_systems_choice(self):
        node, port = self.start_raw_echo()
        self.assertGreater(port, 0)
        with connect(port) as client:
            client.sendall(b"hello")
            self.assertEqual(receive_exactly(client, 5), b"hello")
        self.assert_stops(node)

    def test_a_log_service_of_ones_own_gets_every_line_and_the_word_to_reopen(self):
        node, _ = self.start_raw_echo(logservice="plain_log", logger="some words")
        node.wait_for_line("^plain log: argument some words$")
        node.signal(signal.SIGHUP)
        node.wait_for_line("^plain log: reopened$")
        self.assert_stops(node)

    # --- how it waits for sockets

    def assert_echoes(self, port):
        with connect(port) as client:
            client.sendall(b"hello")
            self.assertEqual(receive_exactly(client, 5), b"hello")

    def test_the_log_says_what_waits_for_sockets(self):
        for backend, said in (("epoll", "epoll"), ("io_uring", "(io_uring|epoll, because io_uring .*)")):
            node, port = self.start_raw_echo(io_backend=backend)
            self.assert_echoes(port)
            node.wait_for_line(f"sockets: {said}$")
            self.assert_stops(node)
            self.assertEqual(len(re.findall("sockets: ", node.log())), 1, node.log())

    def test_a_system_that_forbids_io_uring_gets_epoll_and_one_line_that_says_so(self):
        for net_threads in (0, 1):
            node = self.start(preexec=forbid_io_uring, bootstrap="raw_echo", io_backend="io_uring",
                              net_threads=net_threads)
            node.wait_for_line("sockets: epoll, because io_uring cannot be used here: Operation not permitted$")
            self.assert_echoes(int(node.wait_for_line(r"raw echo: port (\d+)")[1]))
            self.assert_stops(node)
            self.assertEqual(len(re.findall("io_uring", node.log())), 1, node.log())

    def test_a_start_without_enough_descriptors_says_so_wherever_it_fails(self):
        config = self.config(bootstrap="no_such_module")
        reasons = set()
        for limit in range(3, 24):
            def few(limit=limit):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            if run_skyloom("--version", preexec_fn=few).returncode != 0:
                continue  # the program's libraries cannot be loaded
            done = run_skyloom(config, preexec_fn=few)
            self.assertEqual(done.returncode, FAILED, f"{limit} descriptors: {done}")
            reasons.add(done.stderr.splitlines()[-1])
        for reason in ("cannot create the poller", "cannot start the log service", "cannot start the first service"):
            self.assertTrue(any(reason in told for told in reasons), (reason, reasons))

    def test_one_worker_is_enough(self):
        for net_threads in (0, 1, 4):
            node, port = self.start_echo(thread=1, net_threads=net_threads)
            with connect(port) as client:
                client.sendall(frame(b"hello"))
                self.assertEqual(receive_exactly(client, 7), frame(b"hello"))
            self.assert_stops(node)

    def test_many_workers_start_and_stop(self):
        node, port = self.start_echo(thread=64)
        with connect(port) as client:
            client.sendall(frame(b"hello"))
            self.assertEqual(receive_exactly(client, 7), frame(b"hello"))
        self.assert_stops(node)

    def test_start_and_stop_at_once_again_and_again(self):
        for net_threads in (0, 1):
            for _ in range(10):
                node, _ = self.start_raw_echo(net_threads=net_threads)
                self.assert_stops(node)


if __name__ == "__main__":
    unittest.main(verbosity=2)
