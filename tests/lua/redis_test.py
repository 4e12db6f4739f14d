#!/usr/bin/env python3
"""skynet.db.redis and skynet.db.redis.cluster, with real servers and with servers that lie."""
import shutil
import subprocess
import sys
import unittest

from lua_node import ROOT, SETTINGS, LuaTest
from node import connect, for_each_mode
from redis_server import RedisServer, start_cluster


class RedisTest(LuaTest):
    def start_redis(self, *options):
        server = RedisServer(*options)
        self.addCleanup(server.close)
        return server

    @for_each_mode
    def test_commands_pipelines_and_messages(self, net_threads):
        server = self.start_redis()
        node = self.run_script("redis_script", redis_port=server.port, net_threads=net_threads)
        node.wait_for_line(r"socket: auth failed WRONGPASS ")
        self.assert_stops(node)

    def test_servers_that_lie_are_found_out(self):
        node = self.run_script("redis_hostile_script")
        node.wait_for_line(r"socket: response failed: redis: reply of type '%' is of RESP3")
        self.assert_stops(node)

    def test_a_cluster_is_one_server(self):
        nodes = start_cluster(self)
        node = self.run_script("redis_cluster_script", redis_port=nodes[0].port, redis_replica_port=nodes[-1].port)
        self.assert_stops(node)


class LeaderboardTest(LuaTest):
    def start_board(self, server):
        node = self.start_lua("main", luaservice=f"{ROOT}/examples/leaderboard_lua/?.lua;{SETTINGS['luaservice']}",
                              board_host="127.0.0.1", board_port=0, redis_host="127.0.0.1", redis_port=server.port)
        return node, int(node.wait_for_line(r"leaderboard on 127\.0\.0\.1:(\d+)$")[1])

    def test_the_leaderboard_is_in_redis_and_outlives_its_servers(self):
        server = RedisServer()
        self.addCleanup(server.close)
        node, port = self.start_board(server)
        client = ROOT / "examples" / "leaderboard_lua" / "client.py"
        done = subprocess.run([sys.executable, client, str(port)], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(server.command("ZSCORE", "leaderboard", "bert"), "25")
        self.assert_stops(node)
        node, port = self.start_board(server)
        with connect(port) as other:
            other.sendall(b"GET bert\nTOP 1\n")
            stream = other.makefile("rb")
            self.assertEqual([stream.readline() for _ in range(3)], [b"SCORE 25 RANK 1\n", b"1 bert 25\n", b"END\n"])
        self.assert_stops(node)


if __name__ == "__main__":
    if not shutil.which("redis-server"):
        print("skipped: redis-server not found: ./dev setup installs it")
        sys.exit(77)
    unittest.main()
