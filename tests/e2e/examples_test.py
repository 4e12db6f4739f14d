"""The servers that README and guide show answer real clients."""
import unittest

from node import NodeTest, for_each_mode


class ExamplesTest(NodeTest):
    def answers(self, service, net_threads):
        node = self.start(bootstrap=f"{service} 0", net_threads=net_threads)
        port = int(node.wait_for_line(r"echo on port (\d+)")[1])
        self.load(port, "--connections", 20, "--size", "1-5000", "--messages", 4000)
        self.load(port, "--connections", 10, "--size", 64, "--churn", 200)
        self.assert_stops(node)

    @for_each_mode
    def test_the_echo_server_in_c_answers(self, net_threads):
        self.answers("echo_c", net_threads)

    @for_each_mode
    def test_the_echo_server_in_cpp_answers(self, net_threads):
        self.answers("echo_cpp", net_threads)


if __name__ == "__main__":
    unittest.main()
