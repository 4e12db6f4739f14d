#!/usr/bin/env python3
"""The program exports what prebuilt modules import from it."""
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from node import BUILD  # noqa: E402

CORE = """skynet_callback skynet_command skynet_error skynet_harbor_start skynet_isremote skynet_lalloc
skynet_now skynet_queryname skynet_send skynet_sendname""".split()
SOCKETS = ["skynet_socket_" + name for name in """bind close connect info listen nodelay pause sendbuffer
sendbuffer_lowpriority shutdown start udp udp_address udp_connect udp_dial udp_listen
udp_sendbuffer""".split()]
ALLOCATOR = """malloc_used_memory malloc_memory_block malloc_current_memory memory_info_dump dump_c_mem
dump_mem_lua mallctl_int64 mallctl_bool mallctl_cmd mallctl_opt""".split()
SEMI_PUBLIC = """skynet_current_handle skynet_debug_memory skynet_getenv skynet_setenv skynet_starttime
skynet_timeout skynet_thread_time skynet_strdup skynet_context_handle skynet_context_grab
skynet_context_release skynet_context_push skynet_context_send skynet_context_newsession
skynet_handle_findname skynet_handle_namehandle skynet_handle_grab skynet_handle_retire
skynet_harbor_send skynet_harbor_exit skynet_harbor_message_isremote skynet_socket_poll
skynet_socket_init skynet_socket_exit skynet_socket_free skynet_socket_updatetime""".split()
PLAIN = "malloc calloc realloc free".split()


def symbols(*options):
    out = subprocess.run(["nm", "-D", *options, BUILD / "skyloom"], capture_output=True, text=True,
                         check=True).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines() if line.strip()}


class SymbolsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.exported = symbols("--defined-only")

    def assert_exported(self, names):
        self.assertEqual(sorted(set(names) - self.exported), [], "are missing")

    def test_the_27_names_of_the_standard_modules_are_exported(self):
        self.assertEqual(len(CORE + SOCKETS), 27)
        self.assert_exported(CORE + SOCKETS + ["socket_info_release"])

    def test_the_allocators_statistics_are_exported(self):
        self.assert_exported(ALLOCATOR)

    def test_the_semi_public_names_are_exported(self):
        self.assert_exported(SEMI_PUBLIC)

    def test_plain_allocation_is_found_by_modules(self):
        self.assertEqual(sorted(set(PLAIN) - symbols()), [], "neither exported nor from a library")


if __name__ == "__main__":
    unittest.main(verbosity=2)
