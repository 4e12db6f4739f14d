#!/usr/bin/env python3
"""A node that is given less memory, or fewer descriptors, than it needs: it says so and ends, at whichever step of its start it
runs out."""
import contextlib
import pathlib
import resource
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from node import Node, NodeTest, for_each_mode, run_skyloom, wait_until  # noqa: E402

STEP = 256 << 10
ENOUGH = 1 << 30
FAILED = 1  # could not start
MUTE_SECONDS = 10


def at_most(size, what=resource.RLIMIT_AS):
    return lambda: resource.setrlimit(what, (size, size))


def least_to_load():
    """The address space in which the program's libraries can be loaded at all."""
    for size in range(1 << 20, ENOUGH, STEP):
        if run_skyloom("--version", preexec_fn=at_most(size)).returncode == 0:
            return size
    raise AssertionError(f"the program does not even tell its version in {ENOUGH} bytes")


class StarvedStartTest(NodeTest):
    def start_in(self, size, **settings):
        """'served' and stopped in order, or what it said when it could not."""
        node = Node({"bootstrap": "raw_echo", **settings}, at_most(size))
        self.addCleanup(node.dispose)
        # A node that has started with its last byte may have none for what it would log: it must still stop in order.
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not node.is_running() or "raw echo: port" in node.log(), "it serves or ends", MUTE_SECONDS)
        status = node.wait() if "more threads" in node.errors() or not node.is_running() else node.stop()
        if status == 0:
            return "served"
        self.assertEqual(status, FAILED, f"in {size} bytes\n{node.story()}")
        self.assertNotEqual(node.errors(), "", f"it ended without a reason in {size} bytes\n{node.story()}")
        return node.errors()

    @for_each_mode
    def test_a_start_without_enough_memory_says_so_wherever_it_fails(self, net_threads):
        reasons = set()
        served_in_a_row = 0
        for size in range(least_to_load(), ENOUGH, STEP):
            result = self.start_in(size, net_threads=net_threads)
            served_in_a_row = served_in_a_row + 1 if result == "served" else 0
            reasons.add(result)
            if served_in_a_row == 8:
                break
        self.assertIn("served", reasons)
        thread = "net_threads = 1" if net_threads else "thread = 2"
        self.assertTrue(any(f"no more threads or memory: {thread}" in reason for reason in reasons), reasons)

    def test_a_start_without_enough_descriptors_says_so_wherever_it_fails(self):
        reasons = set()
        for limit in range(3, 24):
            few = at_most(limit, resource.RLIMIT_NOFILE)
            if run_skyloom("--version", preexec_fn=few).returncode != 0:
                continue  # the program's libraries cannot be loaded
            node = Node({"bootstrap": "no_such_module"}, few)
            self.addCleanup(node.dispose)
            self.assertEqual(node.wait(), FAILED, f"{limit} descriptors\n{node.story()}")
            reasons.add(node.errors())
        for reason in ("cannot create the poller", "cannot start the log service", "cannot start the first service"):
            self.assertTrue(any(reason in told for told in reasons), (reason, reasons))


if __name__ == "__main__":
    unittest.main(verbosity=2)
