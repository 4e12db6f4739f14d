#!/usr/bin/env python3
"""A Lua library that is not ours runs on our C++ modules: tests/lua/foreign is one of Skynet's shape, in miniature."""
import os
import unittest

from lua_node import HERE, LuaTest
from node import connect, for_each_mode, frame, free_port, receive_exactly

FOREIGN = {
    "lualoader": f"{HERE}/foreign/loader.lua",
    "lua_path": f"{HERE}/foreign/lib/?.lua;{HERE}/lib/?.lua",
    "luaservice": f"{HERE}/foreign/service/?.lua;{HERE}/service/?.lua",
}


class ForeignLibraryTest(LuaTest):
    @for_each_mode
    def test_its_services_call_end_and_use_sockets(self, net_threads):
        self.assert_stops(self.run_script("foreign_script", free_port=free_port(),
                                          net_threads=net_threads, **FOREIGN))

    @for_each_mode
    def test_its_gate_and_agents_serve_clients(self, net_threads):
        node = self.start_lua("foreign_gate", net_threads=net_threads, **FOREIGN)
        port = int(node.wait_for_line(r"gate on (\d+)$")[1])
        texts = [b"", b"short", os.urandom(65535), *(b"%d" % i for i in range(500))]
        for client_number in (1, 2, 3):
            with connect(port) as client:
                for text in texts[:3]:
                    client.sendall(frame(text))
                    self.assertEqual(receive_exactly(client, len(text) + 2), frame(text))
                whole = b"".join(frame(text) for text in texts)
                client.sendall(whole[:1])
                client.sendall(whole[1:])
                self.assertEqual(receive_exactly(client, len(whole)), whole)
            node.wait_for_line("a client has left$", count=client_number)
        self.assert_stops(node)

    def test_nodes_of_both_libraries_call_each_other(self):
        for callee_library, caller_library in ((FOREIGN, {}), ({}, FOREIGN), (FOREIGN, FOREIGN)):
            callee = self.start_lua("cluster_bare_node", **callee_library)
            port = int(callee.wait_for_line(r"cluster on 127\.0\.0\.1:(\d+)")[1])
            self.assert_stops(self.run_script("cluster_bare_caller", peer_port=port, **caller_library))
            callee.wait_for_line(r"<TRACE \(bare-peer-1\):00000001-1> .*tracecall begin")
            self.assert_stops(callee)


if __name__ == "__main__":
    unittest.main()
