#!/usr/bin/env python3
"""datacenterd, cdummy, dbg, cmemory, console, and the debug protocol that every service speaks."""
import os
import unittest

from lua_node import LuaTest


class SmallServicesTest(LuaTest):
    def test_datacenter_names_and_debug_protocol_answer_as_they_should(self):
        node = self.run_script("small_services_script")
        node.wait_for_line(r"Turn trace log true for lua")
        node.wait_for_line(r"<TRACE ")
        node.wait_for_line(r"Kill thread: 0x")
        self.assert_stops(node)

    def test_dbg_prints_the_answer_of_the_launcher_and_ends(self):
        node = self.start_lua("dbg list")
        node.wait_for_line(r"^\[:00000008\] KILL self")
        self.assertRegex(node.log(), r"(?m)^:00000004\tsnlua cdummy\n:00000006\tsnlua datacenterd\n")

    def test_dbg_without_command_says_what_it_wants(self):
        node = self.start_lua("dbg")
        node.wait_for_line(r"dbg needs a command of the launcher")
        node.wait_for_line(r"^\[:00000008\] KILL self")

    def test_cmemory_prints_the_memory_of_each_service_and_ends(self):
        node = self.start_lua("cmemory")
        node.wait_for_line(r"^\[:00000008\] KILL self")
        self.assertRegex(node.log(), r"(?m)^Total memory: \d+\nTotal block: \d+$")

    def start_console(self):
        """A node whose console reads a pipe: the node and the end to write to."""
        read_end, write_end = os.pipe()
        node = self.start_lua("console", preexec=lambda: os.dup2(read_end, 0))
        os.close(read_end)
        return node, os.fdopen(write_end, "wb", buffering=0)

    def test_console_starts_what_lines_of_standard_input_name(self):
        node, keyboard = self.start_console()
        with keyboard:
            keyboard.write(b"boot_pr")
            keyboard.write(b"obe\n\nno_such_service\necho a b\nsnax no_such_snax\n")
            node.wait_for_line("boot probe runs")
            node.wait_for_line("console: no_such_service does not start: ")
            node.wait_for_line(r"LAUNCH snlua echo a b")
            node.wait_for_line("console: snax no_such_snax does not start: ")
        node.wait_for_line("console: end of standard input")
        self.assert_stops(node)

    def test_console_without_input_that_can_be_watched_says_so(self):
        for path in ("/dev/null", __file__):
            file = os.open(path, os.O_RDONLY)
            node = self.start_lua("console", preexec=lambda file=file: os.dup2(file, 0))
            os.close(file)
            node.wait_for_line("console: standard input cannot be watched: .+")
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
