"""Runs skyloom-load against good and bad servers. Arguments: skyloom-load floor_echo_epoll
floor_udp_echo [unittest's own]. Loopback only; everything waits for events with a deadline."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest

RUN_SECONDS = 120
LOAD = FLOOR = UDP_FLOOR = ""


class TcpServer:
    """Calls `serve(connection)` in a thread for every client."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.serve = serve
        self.connections = []
        threading.Thread(target=self.accept_all, daemon=True).start()

    def accept_all(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve_one, args=(connection,), daemon=True).start()

    def serve_one(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # shutdown() wakes the thread in accept(); close() alone would not.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()


class UdpServer:
    """Sends back what `answers(datagram)` returns, a list of datagrams."""

    def __init__(self, answers):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.answers = answers
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            datagram, peer = self.socket.recvfrom(65536)
            if datagram == b"stop":
                return
            for answer in self.answers(datagram):
                self.socket.sendto(answer, peer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"stop", ("127.0.0.1", self.port))
        self.thread.join(RUN_SECONDS)
        self.socket.close()


class Floor:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(re.match(r"port (\d+)", self.process.stdout.readline())[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(RUN_SECONDS)
        self.process.stdout.close()


def run(port, *arguments):
    return subprocess.run([LOAD, "--port", str(port), *map(str, arguments)], text=True,
                          capture_output=True, timeout=RUN_SECONDS, check=False)


def run_json(port, *arguments):
    done = run(port, "--json", "--quiet", *arguments)
    return done.returncode, json.loads(done.stdout)


def reasons(result):
    return [reason["text"] for reason in result["reasons"]]


def echo_with(change):
    """An echo that changes each block it reads."""
    def serve(connection):
        while block := connection.recv(65536):
            connection.sendall(change(block))
    return serve


def flip_last_byte(block):
    return block[:-1] + bytes([block[-1] ^ 1])


class GoodServer(unittest.TestCase):
    def check_clean(self, status, result, messages):
        self.assertEqual((status, result["errors"], result["corrupt_bytes"]), (0, 0, 0), result)
        self.assertEqual(result["messages"], messages, result)

    def test_every_message_of_a_closed_loop_comes_back(self):
        with Floor(FLOOR) as floor:
            for sizes in ("1", "64", "1-70000"):
                for pipeline in (1, 16):
                    self.check_clean(*run_json(floor.port, "--connections", 7, "--size", sizes,
                                               "--pipeline", pipeline, "--messages", 2000), 2000)

    def test_framed_messages_come_back_with_any_framing_and_thread_count(self):
        with Floor(FLOOR) as floor, Floor(FLOOR, "--frames") as frames:
            self.check_clean(*run_json(floor.port, "--framing", 4, "--size", "1-100000",
                                       "--messages", 500, "--threads", 3), 500)
            self.check_clean(*run_json(frames.port, "--framing", 2, "--size", "1-65535",
                                       "--pipeline", 8, "--messages", 1000), 1000)

    def test_an_open_loop_sends_its_whole_schedule(self):
        with Floor(FLOOR) as floor:
            self.check_clean(*run_json(floor.port, "--rate", 2000, "--messages", 1000), 1000)
            self.check_clean(*run_json(floor.port, "--rate", 1000, "--duration", 0.5,
                                       "--threads", 2), 500)

    def test_churn_leaves_no_connection_behind(self):
        with Floor(FLOOR) as floor:
            before = floor.descriptors()
            status, result = run_json(floor.port, "--churn", 2000, "--threads", 2)
            self.check_clean(status, result, 2000)
            self.assertEqual(result["connections_made"], 2000)
            self.assertEqual(floor.descriptors(), before)

    def test_idle_connections_stay_open_beside_the_load(self):
        with Floor(FLOOR) as floor:
            status, result = run_json(floor.port, "--idle", 500, "--messages", 500, "--threads", 2)
            self.check_clean(status, result, 500)
            self.assertEqual(result["connections_made"], 510)

    def test_several_source_addresses_work(self):
        with Floor(FLOOR) as floor:
            self.check_clean(*run_json(floor.port, "--bind", "127.0.0.2,127.0.0.3",
                                       "--messages", 100), 100)

    def test_udp_comes_back_in_closed_and_open_loop(self):
        with Floor(UDP_FLOOR) as floor:
            for more in (("--pipeline", 4), ("--rate", 2000)):
                status, result = run_json(floor.port, "--protocol", "udp", "--size", "16-2000",
                                          "--messages", 1000, *more)
                self.assertEqual((status, result["errors"]), (0, 0), result)
                self.assertEqual(result["messages"] + result["lost"], 1000, result)
                self.assertGreater(result["messages"], 0)

    def test_a_reader_that_never_reads_does_not_disturb_the_others(self):
        with Floor(FLOOR) as floor:
            self.check_clean(*run_json(floor.port, "--never-read", 2, "--messages", 500), 500)

    def test_an_interrupt_prints_what_happened_until_then(self):
        seen = threading.Event()

        def change(block):
            seen.set()
            return block

        with TcpServer(echo_with(change)) as server:
            with subprocess.Popen([LOAD, "--port", str(server.port), "--duration", "600", "--json"],
                                  stdout=subprocess.PIPE, text=True) as process:
                self.assertTrue(seen.wait(RUN_SECONDS))
                process.send_signal(signal.SIGINT)
                result = json.loads(process.communicate(timeout=RUN_SECONDS)[0])
        self.assertTrue(result["interrupted"])
        self.assertEqual((process.returncode, result["errors"]), (0, 0), result)


class BadServer(unittest.TestCase):
    def test_a_flipped_byte_is_found(self):
        with TcpServer(echo_with(flip_last_byte)) as server:
            status, result = run_json(server.port, "--connections", 2, "--messages", 10)
        self.assertEqual(status, 1)
        self.assertGreaterEqual(result["corrupt_bytes"], 1)
        self.assertIn("corrupt bytes", reasons(result))

    def test_swapped_messages_are_found(self):
        def serve(connection):
            first, second = (connection.recv(64, socket.MSG_WAITALL) for _ in range(2))
            connection.sendall(second + first)
            connection.recv(1)

        with TcpServer(serve) as server:
            status, result = run_json(server.port, "--connections", 1, "--pipeline", 2,
                                      "--messages", 2)
        self.assertEqual(status, 1)
        self.assertGreater(result["corrupt_bytes"], 100)

    def test_bytes_too_many_are_found(self):
        with TcpServer(echo_with(lambda block: block + b"x")) as server:
            status, result = run_json(server.port, "--connections", 1, "--messages", 10)
        self.assertEqual(status, 1)
        self.assertEqual(reasons(result), ["bytes that answer nothing"])

    def test_a_wrong_frame_length_ends_the_connection(self):
        def change(block):
            return struct.pack(">H", len(block) - 3) + block[2:]

        with TcpServer(echo_with(change)) as server:
            status, result = run_json(server.port, "--connections", 1, "--framing", 2,
                                      "--messages", 10)
        self.assertEqual(status, 1)
        self.assertEqual(reasons(result), ["wrong frame length"])

    def test_a_server_that_dies_in_the_middle_is_reported_with_the_place(self):
        def serve(connection):
            connection.sendall(connection.recv(64, socket.MSG_WAITALL))
            connection.sendall(connection.recv(64, socket.MSG_WAITALL)[:10])
            connection.close()

        with TcpServer(serve) as server:
            done = run(server.port, "--connections", 3, "--messages", 30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("3 x closed by the server", done.stdout)
        self.assertRegex(done.stdout, r"connection \d at byte 10 of 64 of message 2, 1 in flight")

    def test_a_server_that_resets_is_reported_with_its_error(self):
        def serve(connection):
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        with TcpServer(serve) as server:
            status, result = run_json(server.port, "--connections", 2, "--messages", 10)
        self.assertEqual(status, 1)
        self.assertEqual(result["connections_dropped"], 2)
        self.assertIn("Connection reset by peer", reasons(result)[0])

    def test_a_server_that_never_answers_ends_the_run_and_names_who_waits(self):
        with TcpServer(lambda connection: connection.recv(1)) as server:
            done = run(server.port, "--connections", 2, "--messages", 10, "--timeout", 0.3)
        self.assertEqual(done.returncode, 1)
        self.assertIn("2 x no reply in time", done.stdout)
        self.assertIn("connection 1 at byte 0 of 64 of message 1", done.stdout)

    def test_churn_notices_a_server_that_does_not_let_go(self):
        hold = threading.Event()

        def serve(connection):
            connection.sendall(connection.recv(64))
            hold.wait(RUN_SECONDS)

        with TcpServer(serve) as server:
            status, result = run_json(server.port, "--churn", 2, "--timeout", 0.3)
            hold.set()
        self.assertEqual(status, 1)
        self.assertEqual(reasons(result), ["not closed by the server in time"])

    def test_an_idle_connection_that_is_closed_is_an_error(self):
        with TcpServer(lambda connection: connection.close()) as server:
            status, result = run_json(server.port, "--connections", 0, "--idle", 3,
                                      "--duration", 0.5)
        self.assertEqual(status, 1)
        self.assertEqual(result["connections_dropped"], 3)

    def test_a_refused_connect_is_reported(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets this port
            port = unused.getsockname()[1]
            status, result = run_json(port, "--connections", 4)
            self.assertEqual((status, result["connections_failed"]), (1, 4))
            self.assertEqual(reasons(result), ["connect: Connection refused"])
            status, result = run_json(port, "--churn", 100000)
            self.assertEqual((status, "gave up" in reasons(result)), (1, True))

    def test_lost_late_doubled_and_damaged_datagrams_are_told_apart(self):
        count = 0

        def answers(datagram):
            nonlocal count
            count += 1
            if count % 10 == 3:
                return []
            if count % 10 == 5:
                return [datagram, datagram]
            if count % 10 == 7:
                return [flip_last_byte(datagram), datagram]
            return [datagram]

        with UdpServer(answers) as server:
            status, result = run_json(server.port, "--protocol", "udp", "--connections", 1,
                                      "--messages", 40, "--loss-timeout", 0.2)
        self.assertEqual(status, 1)
        self.assertEqual((result["lost"], result["corrupt_datagrams"]), (4, 4), result)
        self.assertEqual(result["duplicates"], 4)
        self.assertEqual(result["messages"], 36)

    def test_loss_is_an_error_only_above_its_limit_or_when_nothing_came(self):
        count = 0

        def answers(datagram):
            nonlocal count
            count += 1
            return [] if count == 1 else [datagram]

        common = ("--protocol", "udp", "--connections", 1, "--loss-timeout", 0.1)
        with UdpServer(answers) as server:
            self.assertEqual(run_json(server.port, *common, "--messages", 5)[0], 0)
            count = 0
            self.assertEqual(run_json(server.port, *common, "--messages", 5, "--loss-max", 0)[0], 1)
        with UdpServer(lambda datagram: []) as server:
            status, result = run_json(server.port, *common, "--messages", 2)
        self.assertEqual((status, reasons(result)), (1, ["no datagram was answered"]))


class WrongUsage(unittest.TestCase):
    def test_wrong_usage_names_option_and_value_and_exits_with_2(self):
        for arguments, named in (
                (["--port", "70000"], ["--port", "70000"]),
                (["--port", "80", "--size", "0"], ["--size", "0"]),
                (["--port", "80", "--size", "9-3"], ["--size", "9-3"]),
                (["--port", "80", "--size", "70000", "--framing", "2"], ["--size", "70000"]),
                (["--port", "80", "--size", "8", "--protocol", "udp"], ["--size", "8"]),
                (["--port", "80", "--framing", "3"], ["--framing", "3"]),
                (["--port", "80", "--rate", "x"], ["--rate", "x"]),
                (["--port", "80", "--churn", "5", "--rate", "5"], ["--churn", "--rate"]),
                (["--port", "80", "--bind", "nowhere"], ["--bind", "nowhere"]),
                (["--port", "80", "--connections", "0"], ["--connections"]),
                (["--port", "80", "--frobnicate"], ["--frobnicate"]),
                ([], ["--port"])):
            with self.subTest(arguments=arguments):
                done = subprocess.run([LOAD, *arguments], capture_output=True, text=True,
                                      timeout=RUN_SECONDS, check=False)
                self.assertEqual(done.returncode, 2, done.stderr)
                for word in named:
                    self.assertIn(word, done.stderr)

    def test_more_connections_than_descriptors_is_said_before_anything_happens(self):
        done = subprocess.run(["sh", "-c", 'ulimit -n 64; exec "$0" --port 80 --connections 100',
                               LOAD], capture_output=True, text=True, timeout=RUN_SECONDS,
                              check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("hard limit is 64", done.stderr)

    def test_help_exits_with_0(self):
        done = subprocess.run([LOAD, "--help"], capture_output=True, text=True,
                              timeout=RUN_SECONDS, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertIn("--churn", done.stdout)


if __name__ == "__main__":
    LOAD, FLOOR, UDP_FLOOR = sys.argv[1:4]
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
