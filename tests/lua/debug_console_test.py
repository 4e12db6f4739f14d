#!/usr/bin/env python3
"""The debug console through a TCP client and over HTTP: every command, its exact output, and who is refused."""
import os
import pathlib
import re
import socket
import unittest

from lua_node import HERE, ROOT, SETTINGS, LuaTest
from node import DEADLINE

OK, ERROR = "<CMD OK>", "<CMD Error>"
COMMANDS = """call clearcache cmem dbgcmd debug dumpheap exit gc getenv help info inject jmem kill killtask list log
logoff logon mem netstat ping profactive service setenv signal snax start stat task trace uniqtask""".split()


class Client:
    """One connection to a console."""

    def __init__(self, port, is_greeted=True):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.file = self.socket.makefile("rwb")
        if is_greeted:
            assert self.line() == "Welcome to skynet console"

    def line(self):
        raw = self.file.readline()
        if not raw:
            raise EOFError("the console closed the connection")
        return raw.decode(errors="replace").rstrip("\n")

    def write(self, text):
        self.file.write(text if isinstance(text, bytes) else text.encode())
        self.file.flush()

    def run(self, command):
        """The lines of the answer, and the last one: OK or ERROR."""
        self.write(command + "\n")
        lines = []
        line = self.line()
        while line not in (OK, ERROR):
            lines.append(line)
            line = self.line()
        return lines, line

    def until(self, end):
        """What comes, up to `end`."""
        text = b""
        while not text.endswith(end.encode()):
            byte = self.file.read(1)
            if not byte:
                raise EOFError(text)
            text += byte
        return text.decode()

    def rest(self):
        return self.file.read().decode(errors="replace")

    def close(self):
        self.file.close()
        self.socket.close()


class ConsoleTest(LuaTest):
    def start_console(self, **settings):
        self.node = self.start_lua("console_script", logpath="FOLDER",
                                   luaservice=SETTINGS["luaservice"] + ";FOLDER/?.lua", **settings)
        self.port = int(self.node.wait_for_line(r"Start debug console at 127\.0\.0\.1:(\d+)$")[1])
        self.echo = self.node.wait_for_line(r"echo is (:[0-9a-f]{8})$")[1]

    def client(self, is_greeted=True):
        client = Client(self.port, is_greeted)
        self.addCleanup(client.close)
        return client

    def ask(self, command, end=OK):
        """The lines of the answer to one command."""
        lines, last = self.console.run(command)
        self.assertEqual(last, end, f"{command}: {lines}\n{self.node.story()}")
        return lines

    def table(self, command):
        """The answer as a dictionary. Its keys must be in order."""
        lines = self.ask(command)
        keys = [line.split("\t")[0] for line in lines]
        self.assertEqual(keys, sorted(keys))
        return dict(line.split("\t", 1) for line in lines)

    def http(self, request):
        """What a request gets: everything until the end, without the welcome."""
        client = self.client()
        client.write(request)
        return client.rest()


class CommandTest(ConsoleTest):
    """All in one node, a test for each command."""

    def setUp(self):
        self.start_console()
        self.console = self.client()

    def test_help_has_a_line_for_each_of_the_32_commands_and_a_page_for_each(self):
        self.assertEqual(list(self.table("help")), COMMANDS)
        for command in COMMANDS:
            page = self.ask(f"help {command}")
            self.assertRegex(page[0], rf"^{command}( |$)")
            self.assertGreater(len(page), 1)
        reference = (ROOT / "docs" / "reference" / "debug-console.md").read_text()
        rows = [f"| `{page[0]}` | {page[1]} |" for page in map(self.ask, (f"help {name}" for name in COMMANDS))]
        self.assertIn("\n".join(rows) + "\n", reference)
        self.assertEqual(self.ask("help nonsense", ERROR), ["there is no command nonsense"])

    def test_an_unknown_command_is_told_in_three_lines(self):
        self.assertEqual(self.ask("nonsense 1 2", ERROR), ["Invalid command, type help for command list", ""])

    def test_empty_lines_are_nothing_and_line_ends_may_be_crlf(self):
        self.console.write("\n\r\n")
        self.console.write("getenv start\r\n")
        self.assertEqual([self.console.line(), self.console.line()], ["start\tconsole_script", OK])

    def test_list_has_services_with_their_arguments(self):
        table = self.table("list")
        self.assertEqual(table[self.echo], "snlua echo watched")
        self.assertEqual(table[":00000004"], "snlua cdummy")
        self.assertNotIn(":00000003", table)

    def test_stat_mem_and_gc_show_figures_of_each_service(self):
        for command in ("stat", "stat 500", "stat 0"):
            self.assertRegex(self.table(command)[self.echo], r"^cpu:[\d.e-]+\tmessage:\d+\tmqlen:\d+\ttask:\d+$")
        for command in ("mem", "mem 500", "gc", "gc 0"):
            self.assertRegex(self.table(command)[self.echo], r"^\d+\.\d\d Kb \(snlua echo watched\)$")
        self.node.wait_for_line(rf"\[{self.echo}\] GC .* Kb -> .* Kb, cost .* sec")
        self.assertRegex(self.ask("stat soon", ERROR)[0], "soon is no whole number of centiseconds")

    def test_stat_and_mem_show_who_does_not_answer_in_time(self):
        self.ask("start silent")
        self.assertIn("TIMEOUT", self.table("stat 10").values())
        self.assertIn("TIMEOUT (snlua silent)", self.table("mem 10").values())

    def test_info_shows_what_the_service_tells(self):
        self.assertEqual(self.table(f"info {self.echo} a b"), {"extra": "a+b", "hits": "0"})
        self.assertEqual(self.ask("info 4"), [])

    def test_addresses_are_hex_with_and_without_colon_or_names(self):
        for address in (self.echo, self.echo[1:], self.echo.lstrip(":0"), ".echo"):
            self.assertEqual(self.ask(f"info {address} x")[0], "extra\tx")
        self.assertEqual(self.ask("ping .nobody", ERROR), ["no service has the name .nobody"])
        self.assertEqual(self.ask("ping zzz", ERROR), ["zzz is no address: hex, :hex or .name"])
        self.assertEqual(self.ask("ping", ERROR), ["an address is missing: hex, :hex or .name"])

    def test_a_dead_address_is_told(self):
        for command in ("ping 99", "info 99", "task 99", "uniqtask 99", "killtask 99 x", "exit 99", "call 99 1",
                        "dbgcmd 99 MEM", "trace 99 on", "debug 99", f"inject 99 {HERE}/lib/injected.lua"):
            self.assertRegex(self.ask(command, ERROR)[-1], r"call to invalid address :00000099", command)

    def test_ping_shows_a_number(self):
        self.assertRegex(self.ask("ping .echo")[0], r"^\d+$")

    def test_task_uniqtask_and_killtask_see_who_waits(self):
        waiter = self.client()
        waiter.write("call .echo 'nap', 1\n")
        self.node.wait_for_line("command: call .echo 'nap', 1")
        while not (lines := self.ask("task .echo")):
            pass
        thread = re.match(r"(thread: (\S+)) session: \d+\t", lines[0])
        self.assertIn("echo.lua", "\n".join(lines))
        self.assertRegex(self.ask("uniqtask .echo")[0], r"^1\tsessions:")
        self.assertEqual(self.ask("killtask .echo 0xnothing"), ["Not found"])
        self.assertEqual(self.ask(f"killtask .echo {thread[2]}"), [])
        self.assertRegex(waiter.line(), "call failed")
        self.assertEqual(waiter.line(), ERROR)
        self.assertEqual(self.ask("task .echo"), [])
        self.assertEqual(self.ask("killtask .echo", ERROR), ["the name of a thread is missing: see `task`"])

    def test_start_log_and_snax_start_services(self):
        line = self.ask("start echo one two")[0]
        address = line.split("\t")[0]
        self.assertEqual(line, f"{address}\techo")
        self.assertEqual(self.table("list")[address], "snlua echo one two")
        self.assertEqual(self.ask("start failing_start"), ["Failed"])
        self.assertEqual(self.ask("start exit_at_start"), ["Exit"])
        logged = self.ask("log echo")[0].split("\t")[0]
        self.node.wait_for_line(rf"Open log file .*/{logged[1:]}\.log")
        self.assertEqual(self.ask("log failing_start"), ["Failed"])
        self.assertEqual(self.ask("snax no_such_snax"), ["Failed"])
        self.assertEqual(self.ask("start", ERROR), ["the name of a service is missing"])

    def test_exit_and_kill_end_services(self):
        address = self.ask("start echo")[0].split("\t")[0]
        self.assertEqual(self.ask(f"exit {address}"), [])
        self.node.wait_for_line(rf"\[{address}\] KILL self")
        address = self.ask("start echo x")[0].split("\t")[0]
        self.assertEqual(self.ask(f"kill {address}"), [f"{address}\tsnlua echo x"])
        self.assertNotIn(address, self.table("list"))

    def test_service_lists_those_that_exist_once(self):
        self.assertEqual(self.ask("service"), [])
        self.ask("call .service 'LAUNCH', 'echo'")
        self.assertRegex(self.table("service")["echo"], r"^:[0-9a-f]{8}$")

    def test_call_shows_returned_values_and_their_number(self):
        self.assertEqual(self.ask("call .echo 'echo', 1, nil, {x = 2}, 'a b'"),
                         ["1\t1", "3\tx:2", "4\ta b", "n\t4"])
        self.assertEqual(self.ask("call .echo 'echo'"), ["n\t0"])
        self.assertRegex(self.ask("call .echo 'fail'", ERROR)[0], "call failed")
        self.assertRegex(self.ask("call .echo 'echo' 'x'", ERROR)[0], "is no list of Lua expressions")
        self.assertEqual(self.ask("call .echo (function() while true do end end)()", ERROR),
                         ["the expressions take too long"])
        self.assertRegex(self.ask("call .echo nothing.x", ERROR)[0], "attempt to index a nil value")
        self.assertEqual(self.ask("call .echo", ERROR), ["the values to send are missing: Lua expressions"])

    def test_inject_runs_a_file_in_the_service(self):
        self.assertEqual(self.ask(f"inject .echo {HERE}/lib/injected.lua one"), ["injected into\twatched\tone"])
        self.assertRegex(self.ask("inject .echo /no/such/file", ERROR)[0], "Can't open /no/such/file")
        self.assertEqual(self.ask("inject .echo /dev/zero", ERROR), ["/dev/zero has more than 1048576 bytes"])
        self.assertRegex(self.ask("inject .echo /", ERROR)[0], "Can't read /: ")
        self.assertEqual(self.ask("inject .echo", ERROR), ["the name of a file is missing"])

    def test_dbgcmd_runs_any_debug_command(self):
        self.assertRegex(self.ask("dbgcmd .echo MEM")[0], r"^\d+\.\d+$")
        self.assertEqual(self.ask("dbgcmd .echo SUPPORT lua"), ["true"])
        self.assertEqual(self.ask("dbgcmd .echo PING"), [])
        self.assertRegex(self.ask("dbgcmd .echo NONSENSE", ERROR)[0], "call failed")

    def test_signal_reaches_the_service(self):
        self.assertEqual(self.ask("signal .echo 1"), [])
        self.node.wait_for_line(rf"\[{self.echo}\] Current Memory \d+\.\d+K")
        self.assertEqual(self.ask("signal .echo one", ERROR), ["one is no signal number"])

    def test_signal_0_breaks_an_endless_loop(self):
        self.ask("start spinner")
        self.node.wait_for_line("spinner spins")
        spinner = re.search(r"(:[0-9a-f]{8})\] spinner spins", self.node.log())[1]
        self.assertEqual(self.ask(f"signal {spinner}"), [])
        self.node.wait_for_line("spinner was stopped: .*signal 0")

    def test_logon_and_logoff_dump_messages(self):
        path = self.node.folder / f"{self.echo[1:]}.log"
        self.assertEqual(self.ask("logon .echo"), [])
        self.node.wait_for_line("Open log file")
        self.ask("call .echo 'echo', 'dumped'")
        self.assertEqual(self.ask("logoff .echo"), [])
        self.node.wait_for_line("Close log file")
        self.assertIn(b"dumped".hex(), path.read_text())

    def test_trace_is_switched_on_and_off(self):
        self.assertEqual(self.ask("trace .echo on"), [])
        self.ask("call .echo 'echo'")
        self.node.wait_for_line("<TRACE ")
        self.assertEqual(self.ask("trace .echo lua off"), [])
        self.assertEqual(self.ask("trace .echo"), [])
        self.assertEqual(self.ask("trace .echo lua maybe", ERROR), ["maybe is neither on nor off"])

    def test_clearcache_makes_new_services_read_their_files_again(self):
        path = self.node.folder / "changing.lua"

        def write(word):
            """Of one size and time, so that only the cache can tell."""
            path.write_text(f"require 'skynet'.start(function() require 'skynet'.error 'it says {word}' end)\n")
            os.utime(path, (1, 1))

        write("one")
        self.ask("start changing")
        write("two")
        self.ask("start changing")
        self.node.wait_for_line("it says one", count=2)
        self.assertEqual(self.ask("clearcache"), [])
        self.ask("start changing")
        self.node.wait_for_line("it says two")

    def test_cmem_and_jmem_show_memory(self):
        table = self.table("cmem")
        self.assertRegex(table["total"], r"^\d+$")
        self.assertRegex(table["block"], r"^\d+$")
        for line in self.ask("jmem"):
            self.assertRegex(line, r"^stats\.\S+\t +\d+ +\d+\.\d\d Mb$")

    def test_netstat_shows_sockets(self):
        lines = self.ask("netstat")
        listener = [line for line in lines if "type:LISTEN" in line]
        self.assertEqual(len(listener), 1)
        self.assertRegex(listener[0], rf"^\d+\taccept:\d+\taddress::[0-9a-f]{{8}}\tid:\d+\trtime:[\d.:]+s?"
                                      rf"\tsock:127\.0\.0\.1:{self.port}\ttype:LISTEN$")
        peer = "127.0.0.1:%d" % self.console.socket.getsockname()[1]
        own = [line for line in lines if f"peer:{peer}" in line]
        self.assertRegex(own[0], rf"^\d+\taddress::[0-9a-f]{{8}}\tid:\d+\tpeer:{peer}\tread:\d+\treading:true"
                                 r"\trtime:\d+\.\d\ds\ttype:TCP\twbuffer:\d+\twrite:\d+\twriting:false\twtime:\d+\.\d\ds$")

    def test_profactive_and_dumpheap_answer(self):
        for command in ("profactive", "profactive off"):
            self.assertEqual(self.ask(command), ["heap profilling is deactive"])
        self.assertEqual(self.ask("profactive maybe", ERROR), ["maybe is neither on nor off"])
        self.assertEqual(self.ask("dumpheap"), [])

    def test_getenv_and_setenv(self):
        self.assertEqual(self.ask("getenv start"), ["start\tconsole_script"])
        self.assertEqual(self.ask("getenv no_such_key"), ["no_such_key\tnil"])
        self.assertEqual(self.ask("setenv fresh_key value"), [])
        self.assertEqual(self.ask("getenv fresh_key"), ["fresh_key\tvalue"])
        self.assertEqual(self.console.run("setenv fresh_key other")[1], ERROR)
        self.assertEqual(self.ask("getenv fresh_key"), ["fresh_key\tvalue"])
        self.assertEqual(self.ask("setenv lonely", ERROR), ["setenv needs a key and a value"])


class DebuggerTest(ConsoleTest):
    def setUp(self):
        self.start_console()
        self.console = self.client()
        self.prompt = f"{self.echo}>"

    def attach(self):
        self.console.write(f"debug {self.echo}\n")
        self.console.until(self.prompt)

    def expression(self, text, prompt=None):
        """What a command of the debugger prints, without the next prompt."""
        prompt = prompt or self.prompt
        self.console.write(text + "\n")
        return self.console.until(prompt)[:-len(prompt)]

    def leave(self):
        self.console.write("cont\n")
        self.assertEqual(self.console.line(), OK)

    def test_expressions_are_evaluated_in_the_service(self):
        self.attach()
        self.assertEqual(self.expression("1 + 1, 'x'"), "2\tx\n")
        self.assertEqual(self.expression("SERVICE_NAME"), "echo\n")
        self.assertEqual(self.expression("x_of_debugger = 5"), "")
        self.assertEqual(self.expression("x_of_debugger"), "5\n")
        self.assertEqual(self.expression("print('printed')"), "printed\n")
        self.assertRegex(self.expression("error 'oops'"), r"oops\n")
        self.assertRegex(self.expression("this is wrong"), r"syntax error")
        self.assertEqual(self.expression("_CO"), "nil\n")
        self.assertEqual(self.expression("watch('nonsense')"), "No nonsense\n")
        self.leave()
        self.assertEqual(self.console.run("getenv start"), (["start\tconsole_script"], OK))

    def test_a_watched_message_is_stepped_through(self):
        self.attach()
        self.assertEqual(self.expression("watch('lua', function(session, source, name) return name == 'step' end)"), "")
        caller = self.client()
        self.assertEqual(caller.run("call .echo 'echo', 1"), (["1\t1", "n\t1"], OK))
        caller.write("call .echo 'step', 3, 4\n")
        position = r"echo\.lua\((\d+)\)>"
        self.assertRegex(self.until_stop(), position)
        self.assertRegex(self.stop_after("_CO"), r"^thread: 0x")
        line = self.current
        self.stop_after("s")  # into command.step
        while "sum" not in self.source_line():
            self.stop_after("s")
        self.assertLess(self.current, line)
        self.assertEqual(self.stop_after("a, b, sum"), "3\t4\tnil\n")
        self.stop_after("n")
        self.assertEqual(self.stop_after("sum"), "7\n")
        self.assertEqual(self.stop_after("sum = 70"), "")
        self.stop_after("n")
        while "retpack" not in self.source_line():
            self.stop_after("n")
        # The service serves others while this handler stands still.
        self.assertEqual(self.client().run("call .echo 'echo', 2"), (["1\t2", "n\t1"], OK))
        self.expression("c")
        self.assertEqual([caller.line() for _ in range(5)], ["1\t70", "2\t12", "3\t1", "n\t3", OK])
        self.leave()

    def test_leaving_lets_a_stopped_handler_go_on(self):
        self.attach()
        self.expression("watch 'lua'")
        caller = self.client()
        caller.write("call .echo 'step', 3, 4\n")
        self.until_stop()
        self.leave()
        self.assertEqual([caller.line() for _ in range(5)], ["1\t7", "2\t12", "3\t1", "n\t3", OK])

    def test_the_death_of_the_service_gives_the_console_back(self):
        self.attach()
        self.client().run(f"kill {self.echo}")
        self.assertRegex(self.console.line(), "Debugger attach failed|call failed")
        self.assertEqual(self.console.line(), ERROR)
        self.assertEqual(self.console.run("getenv start"), (["start\tconsole_script"], OK))

    def test_the_end_of_the_console_gives_the_service_back(self):
        other = self.client()
        self.attach()
        self.expression("watch 'lua'")
        self.console.close()
        self.node.wait_for_line("disconnect")
        while "debug_agent" in "\n".join(other.run("list")[0]):
            pass
        self.assertEqual(other.run("call .echo 'echo', 1"), (["1\t1", "n\t1"], OK))
        self.console = other
        self.attach()
        self.leave()

    def test_a_second_debugger_is_refused(self):
        self.attach()
        lines, end = self.client().run(f"debug {self.echo}")
        self.assertEqual(end, ERROR, lines)
        self.leave()

    def until_stop(self):
        text = self.console.until(")>")
        self.current = int(re.search(r"\((\d+)\)>$", text)[1])
        return text

    def stop_after(self, command):
        """What is printed until the debugger stands somewhere, without that prompt."""
        self.console.write(command + "\n")
        return re.sub(r"[^\n]*\(\d+\)>$", "", self.until_stop())

    def source_line(self):
        return (HERE / "service" / "echo.lua").read_text().splitlines()[self.current - 1]


class HttpTest(ConsoleTest):
    def setUp(self):
        self.start_console()

    def test_get_and_post_run_a_command_and_close(self):
        answer = "Xstart\tconsole_script\n<CMD OK>\n"[1:]
        for request in ("GET /getenv/start HTTP/1.1\r\nHost: localhost\r\n\r\n",
                        "GET /getenv/start HTTP/1.0\r\n\r\n",
                        f"GET /getenv%20start?x=y HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n",
                        "POST / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 12\r\n\r\ngetenv start",
                        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ngetenv \r\n5\r\nstart\r\n0\r\n\r\n"):
            self.assertEqual(self.http(request), answer, request)
        self.assertEqual(self.http("GET / HTTP/1.0\r\n\r\n"),
                         "Invalid command, type help for command list\n\n<CMD Error>\n")
        self.assertRegex(self.http(f"GET /debug/{self.echo} HTTP/1.0\r\n\r\n"), "debug needs a console")

    def test_requests_of_web_pages_are_refused(self):
        for line in ("Origin: http://example.com", "Host: example.com", "Host: localhost.example.com",
                     "Referer: http://example.com/", "Sec-Fetch-Site: cross-site", "Host: 127.0.0.1.example.com"):
            host = "" if line.startswith("Host") else "Host: localhost\r\n"
            for verb in ("GET", "POST"):
                answer = self.http(f"{verb} /setenv/attacked/yes HTTP/1.1\r\n{host}{line}\r\nContent-Length: 19\r\n\r\n"
                                   "setenv attacked yes")
                self.assertTrue(answer.endswith("<CMD Error>\n"), (line, answer))
        for verb in ("PUT", "OPTIONS", "DELETE"):
            self.assertRegex(self.http(f"{verb} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\nsetenv attacked yes\n"),
                             "only GET and POST")
        self.assertEqual(self.client().run("getenv attacked"), (["attacked\tnil"], OK))

    def test_requests_without_a_clear_length_are_refused(self):
        for header in ("Content-Length: 5\r\nContent-Length: 6", "Content-Length: +5", "Content-Length: 5, 5",
                       "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip", "No colon here"):
            answer = self.http(f"POST / HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\nsetenv attacked yes")
            self.assertRegex(answer, r"^HTTP (400|501): .*\n<CMD Error>\n$", header)

    def test_a_large_body_is_refused_before_it_comes(self):
        answer = self.http("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8193\r\n\r\n")
        self.assertEqual(answer, "HTTP 413: a body of more than 8192 bytes\n<CMD Error>\n")

    def test_a_header_that_does_not_end_is_refused(self):
        answer = self.http("GET / HTTP/1.1\r\nHost: localhost\r\n" + "X: y\r\n" * 5000)
        self.assertRegex(answer, "^HTTP 413: ")


class DoorTest(ConsoleTest):
    def test_every_client_and_command_is_logged_with_its_peer(self):
        self.start_console()
        client = self.client()
        peer = "127.0.0.1:%d" % client.socket.getsockname()[1]
        client.run("getenv \x1b[31mstart")
        client.close()
        self.node.wait_for_line(rf"{peer} connected$")
        self.node.wait_for_line(rf"{peer} command: getenv \?\[31mstart$")
        self.node.wait_for_line(rf"{peer} disconnect$")

    def test_only_the_own_machine_reaches_it_by_default(self):
        self.start_console()
        self.assertIn(self.port, self.node.listening_ports())
        sockets = pathlib.Path(f"/proc/{self.node.pid}/net/tcp").read_text()
        self.assertRegex(sockets, rf"(?m)^ *\d+: 0100007F:{self.port:04X} ")

    def test_it_listens_where_its_arguments_say(self):
        node = self.start_lua("console_script", console_arguments="0.0.0.0 0")
        node.wait_for_line(r"Start debug console at 0\.0\.0\.0:\d+$")
        node = self.start_lua("console_script", console_arguments="nonsense")
        node.wait_for_line(r"debug_console needs \[ip\] port, not \"nonsense\"")

    def test_a_long_line_ends_the_connection(self):
        self.start_console()
        client = self.client()
        client.write("x" * 8193)
        self.assertEqual(client.rest(), "a line of more than 8192 bytes (console_line_max)\n<CMD Error>\n")
        self.start_console(console_line_max=20)
        client = self.client()
        self.assertEqual(client.run("getenv  console_lin")[1], OK)  # 19 and its end
        client.write("getenv  console_line\n")
        self.assertRegex(client.rest(), "a line of more than 20 bytes")

    def test_many_lines_at_once_are_many_commands(self):
        self.start_console()
        client = self.client()
        client.write("getenv start\n" * 5000)
        for _ in range(5000):
            self.assertEqual([client.line(), client.line()], ["start\tconsole_script", OK])

    def test_a_client_that_sends_no_more_gets_its_answers(self):
        self.start_console()
        client = self.client()
        client.write("getenv start\nping .echo\n")
        client.socket.shutdown(socket.SHUT_WR)
        self.assertRegex(client.rest(), r"^start\tconsole_script\n<CMD OK>\n\d+\n<CMD OK>\n$")

    def test_a_unix_socket_is_as_good_as_a_port(self):
        self.node = self.start_lua("console_script", console_arguments="unix:FOLDER/console 0")
        path = self.node.wait_for_line(r"Start debug console at unix:(\S+/console)\b")[1]
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"getenv start\n")
            client.shutdown(socket.SHUT_WR)
            text = b"".join(iter(lambda: client.recv(4096), b""))
        self.assertEqual(text, b"Welcome to skynet console\nstart\tconsole_script\n<CMD OK>\n")

    def test_a_flood_of_empty_lines_costs_little(self):
        self.start_console()
        client = self.client()
        before = self.node.cpu_seconds()
        client.write(b"\n" * 500_000 + b"getenv start\n")
        self.assertEqual([client.line(), client.line()], ["start\tconsole_script", OK])
        self.assertLess(self.node.cpu_seconds() - before, 10)  # a line must not copy all that follows it

    def test_more_consoles_than_allowed_are_refused(self):
        self.start_console(console_max_conn=2)
        first, _ = self.client(), self.client()
        third = self.client(is_greeted=False)
        self.assertEqual(third.rest(), "")
        self.node.wait_for_line(r"refused: 2 consoles are open \(console_max_conn\)")
        first.close()
        self.node.wait_for_line("disconnect")
        self.client()

    def test_with_a_token_only_those_who_show_it_get_in(self):
        self.start_console(console_token="secret")
        for wrong in ("getenv start\n", "auth wrong_\n", "auth secre\n", "auth secrex\n", "auth xecret\n"):
            client = self.client()
            client.write(wrong)
            client.socket.shutdown(socket.SHUT_WR)  # who gets in is let go, too
            self.assertEqual(client.rest(), "this console wants `auth TOKEN` first\n<CMD Error>\n", wrong)
        client = self.client()
        self.assertEqual(client.run("auth secret"), ([], OK))
        self.assertEqual(client.run("getenv start"), (["start\tconsole_script"], OK))
        self.assertRegex(self.http("GET /getenv/start HTTP/1.0\r\n\r\n"), "X-Console-Token is missing or wrong")
        self.assertEqual(self.http("GET /getenv/start HTTP/1.0\r\nX-Console-Token: secret\r\n\r\n"),
                         "start\tconsole_script\n<CMD OK>\n")
        self.assertNotIn("secret", self.node.log())


if __name__ == "__main__":
    unittest.main()
