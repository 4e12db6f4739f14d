"""The layer check finds each kind of wrong arrow, and nothing in a tree without one."""
import pathlib
import tempfile
import unittest

import check_layers

GOOD = {
    "src/base/CMakeLists.txt": "skyloom_library(base LAYER 0 SOURCES error.cpp)",
    "src/base/error.hpp": "#include <string>\n",
    "src/base/error.cpp": '#include "base/error.hpp"\n',
    "src/codec/CMakeLists.txt": "skyloom_library(codec LAYER 1 SOURCES framing.cpp DEPS base)\n"
    "skyloom_test(codec_test SOURCES framing_test.cpp DEPS codec LABELS unit)",
    "src/codec/framing.cpp": '#include "base/error.hpp"\n',
    "src/codec/framing_test.cpp": '#include <gtest/gtest.h>\n#include "testing/fake.hpp"\n',
    "src/os/CMakeLists.txt": "# nothing but os\nskyloom_library(os LAYER 1 SOURCES fd.cpp DEPS base)",
    "src/os/fd.cpp": "#include <net/if.h>\n#include <sys/epoll.h>\n",
    "src/net/CMakeLists.txt": 'skyloom_library(net LAYER 2\n  SOURCES shard.cpp "poller/epoll.cpp"\n'
    "  DEPS base os codec)  # sockets",
    "src/net/shard.hpp": '#include "base/error.hpp"\n',
    "src/net/shard.cpp": '#include "net/shard.hpp"\n#include "os/fd.hpp"\n',
    "src/net/poller/epoll.cpp": "#include <sys/epoll.h>\n",
    "src/actor/CMakeLists.txt": "skyloom_library(actor LAYER 2 SOURCES mailbox.cpp DEPS base os)",
    "src/actor/mailbox.cpp": '#include "base/error.hpp"\n',
    "src/testing/CMakeLists.txt": "skyloom_library(testing LAYER 4 DEPS net actor)",
    "src/testing/fake.hpp": '#include "net/shard.hpp"\n',
    "src/sdk/CMakeLists.txt": "skyloom_library(sdk LAYER 4 SOURCES sdk.cpp DEPS net actor)",
    "src/sdk/sdk.cpp": '#include "skyloom/service.hpp"\n#include "net/shard.hpp"\n',
    "src/services/CMakeLists.txt": "skyloom_library(services LAYER 5 SOURCES gate.cpp DEPS sdk codec base)",
    "src/services/gate.cpp": '#include "skyloom/service.hpp"\n#include "base/error.hpp"\n',
    "src/lua/CMakeLists.txt": "skyloom_library(lua LAYER 5 SOURCES host.cpp DEPS base)",
    "src/lua/host.cpp": "#include <lua.hpp>\n",
    "include/skyloom/service.hpp": "#include <cstdint>\n",
    "include/skynet/skynet.h": "#include <stddef.h>\n",
    "include/skynet/skynet_socket.h": '#include "skynet.h"\n',
    "apps/skyloom/main.cpp": '#include "services/gate.hpp"\n#include <CLI/CLI.hpp>\n',
    "apps/skyloom-load/load.cpp": '#include "os/fd.hpp"\n',
    "examples/echo/agent.c": '#include "skynet.h"\n',
    "tests/e2e_test.cpp": '#include "testing/fake.hpp"\n#include "actor/mailbox.hpp"\n',
}


class CheckLayersTest(unittest.TestCase):
    def findings(self, **changed):
        """The findings in GOOD, where the file `path` says `text` instead."""
        files = {**GOOD, changed["path"]: changed["text"]} if changed else GOOD
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return check_layers.check(folder)

    def assert_one(self, path, text, *words):
        findings = self.findings(path=path, text=text)
        self.assertEqual(len(findings), 1, findings)
        for word in words:
            self.assertIn(word, findings[0])

    def test_a_tree_without_mistakes_has_no_findings(self):
        self.assertEqual(self.findings(), [])

    def test_an_include_upwards_is_found_with_its_line(self):
        self.assert_one("src/base/error.cpp", '\n#include "os/fd.hpp"\n', "src/base/error.cpp:2", "os/fd.hpp")

    def test_an_include_sideways_is_found(self):
        self.assert_one("src/net/shard.cpp", '#include "actor/mailbox.hpp"\n', "actor/mailbox.hpp")
        self.assert_one("src/actor/mailbox.cpp", "#include <net/shard.hpp>\n", "net/shard.hpp")

    def test_a_folder_below_that_is_not_in_deps_is_found(self):
        self.assert_one("src/actor/mailbox.cpp", '#  include "codec/framing.hpp"\n', "codec/framing.hpp")

    def test_services_see_the_public_api_only_whatever_they_link(self):
        self.assert_one("src/services/gate.cpp", '#include "net/shard.hpp"\n', "net/shard.hpp")
        self.assert_one("src/services/gate.cpp", '#include "sdk/sdk.hpp"\n', "sdk/sdk.hpp")

    def test_public_headers_name_nothing_private(self):
        self.assert_one("include/skyloom/service.hpp", '#include "base/error.hpp"\n', "base/error.hpp")

    def test_low_layers_do_not_know_the_public_faces(self):
        self.assert_one("src/net/shard.cpp", '#include "skynet/skynet.h"\n', "skynet/skynet.h")
        self.assert_one("src/net/shard.cpp", "#include <skynet.h>\n", "skynet.h")

    def test_only_tests_include_testing(self):
        self.assert_one("src/net/shard.cpp", '#include "testing/fake.hpp"\n', "testing/fake.hpp")
        self.assert_one("apps/skyloom/main.cpp", '#include "testing/fake.hpp"\n', "testing/fake.hpp")

    def test_the_load_generator_knows_no_node(self):
        self.assert_one("apps/skyloom-load/load.cpp", '#include "net/shard.hpp"\n', "net/shard.hpp")

    def test_third_party_headers_stay_in_their_folder(self):
        self.assert_one("src/net/shard.cpp", "#include <lua.h>\n", "src/lua")
        self.assert_one("src/net/shard.cpp", "#include <gtest/gtest.h>\n", "gtest")
        self.assert_one("src/actor/mailbox.cpp", "#include <sys/epoll.h>\n", "epoll")
        self.assert_one("src/sdk/sdk.cpp", "#include <CLI/CLI.hpp>\n", "CLI")

    def test_a_library_that_uses_one_of_its_own_layer_is_found(self):
        cmake = "skyloom_library(actor LAYER 2 SOURCES mailbox.cpp DEPS base net)"
        self.assert_one("src/actor/CMakeLists.txt", cmake, "actor (2) may not use net (2)")

    def test_a_source_that_nobody_compiles_is_found(self):
        self.assert_one("src/net/forgotten_test.cpp", "", "forgotten_test.cpp", "no CMakeLists.txt")

    def test_a_path_through_the_parent_is_found(self):
        self.assert_one("src/net/shard.cpp", '#include "../base/error.hpp"\n', "without '..'")


if __name__ == "__main__":
    unittest.main()
