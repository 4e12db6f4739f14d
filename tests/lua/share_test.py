#!/usr/bin/env python3
"""Tables and messages that services share: sharedata, sharetable, datasheet, multicast, mqueue."""
import unittest

from lua_node import LuaTest


class ShareTest(LuaTest):
    def test_services_share_tables_and_messages(self):
        for thread in (1, 2):
            with self.subTest(thread=thread):
                node = self.run_script("share_script", thread=thread)
                self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
