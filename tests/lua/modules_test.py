#!/usr/bin/env python3
"""C++ modules of scripts through the real program: between services, and against other programs."""
import base64
import hashlib
import hmac
import math
import os
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile
import unittest

from lua_node import ROOT, LuaTest
from node import SANITIZE

PRIME = 0xffffffffffffffc5
WORDS = 0xffffffff


def rotated(word, bits):
    return (word << bits | word >> (32 - bits)) & WORDS


def md5_steps(words):
    """The 64 steps of MD5 on one block, from the usual start, without the last addition."""
    a, b, c, d = 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476
    turns = [7, 12, 17, 22] * 4 + [5, 9, 14, 20] * 4 + [4, 11, 16, 23] * 4 + [6, 10, 15, 21] * 4
    for step in range(64):
        if step < 16:
            mixed, word = (b & c) | (~b & d), step
        elif step < 32:
            mixed, word = (d & b) | (~d & c), (5 * step + 1) % 16
        elif step < 48:
            mixed, word = b ^ c ^ d, (3 * step + 5) % 16
        else:
            mixed, word = c ^ (b | (~d & WORDS)), 7 * step % 16
        sine = int(abs(math.sin(step + 1)) * 2 ** 32)
        total = (mixed + a + sine + words[word]) & WORDS
        a, d, c, b = d, c, b, (b + rotated(total, turns[step])) & WORDS
    return a, b, c, d


def hmac64(x, y):
    (x_low, x_high), (y_low, y_high) = struct.unpack("<2I", x), struct.unpack("<2I", y)
    a, b, c, d = md5_steps([x_high, x_low, y_high, y_low] * 4)
    return struct.pack("<2I", c ^ d, a ^ b)


def hmac64_md5(x, y):
    digest = hashlib.md5((x + y) * 3).digest()
    return bytes(p ^ q for p, q in zip(digest[:8], digest[8:]))


def hash_key(text):
    first, second = 5381, 1315423911
    for byte in text:
        first = (first * 33 + byte) & WORDS
        second ^= ((second << 5) + byte + (second >> 2)) & WORDS
    return struct.pack("<2I", first, second)


def des(key, padded):
    """Three times DES with one key is DES, and needs no legacy provider."""
    done = subprocess.run(["openssl", "enc", "-des-ede3", "-nopad", "-K", key.hex() * 3],
                          input=padded, capture_output=True, check=True)
    return done.stdout


def exchange(base, exponent):
    return pow(base, exponent, PRIME).to_bytes(8, "little")


def decrypted(encrypted, key):
    """The stream cipher of md5.core."""
    size = encrypted[0]
    previous, rest, text = encrypted[1:1 + size].ljust(16, b"\0"), encrypted[1 + size:], b""
    while rest:
        stream = hashlib.md5(previous + key).digest()
        previous, rest = rest[:16], rest[16:]
        text += bytes(p ^ q for p, q in zip(previous, stream))
    return text


def expected(key, text):
    """What the modules must make of it, as other programs see it; the cipher of md5.core apart."""
    head = (text + b"12345678")[:8]
    number = int.from_bytes(key, "little")
    fill = 8 - len(text) % 8
    results = {
        "sha1": hashlib.sha1(text).digest(), "hmac_sha1": hmac.digest(key, text, "sha1"),
        "long_key": hmac.digest(text, key, "sha1"), "md5": hashlib.md5(text).digest(),
        "base64": base64.b64encode(text), "hashkey": hash_key(text), "hmac64": hmac64(head, key),
        "hmac64_md5": hmac64_md5(head, key), "hmac_hash": hmac64(hash_key(text), key),
        "dhexchange": exchange(5, number), "dhsecret": exchange(int.from_bytes(head, "little"), number),
        "xor": bytes(byte ^ key[i % 8] for i, byte in enumerate(text)),
    }
    if shutil.which("openssl"):
        results["iso"] = des(key, text + b"\x80" + bytes(fill - 1))
        results["pkcs"] = des(key, text + bytes([fill]) * fill)
    return results


class ModulesTest(LuaTest):
    def test_services_share_values_and_channels_and_scripts_cannot_break_them(self):
        settings = {"sanitize": SANITIZE} if SANITIZE else {}
        for thread in (1, 2):
            with self.subTest(thread=thread):
                node = self.run_script("modules_script", types=f"{ROOT}/lualib/types", thread=thread, **settings)
                self.assert_stops(node)

    def test_a_service_that_waits_for_a_line_can_be_ended_and_the_node_stops(self):
        for thread in (1, 2):
            with self.subTest(thread=thread):
                node = self.start_lua("line_waiter", thread=thread, shutdown_timeout=6000)
                node.wait_for_line(r"the first waiter is gone$", deadline=20)
                self.assert_stops(node, deadline=20)

    def test_crypt_and_md5_agree_with_other_programs(self):
        seed = int(os.environ.get("SKYLOOM_TEST_SEED", random.randrange(1 << 32)))
        print(f"SKYLOOM_TEST_SEED={seed}", flush=True)
        chance = random.Random(seed)
        sizes = [0, 1, 7, 8, 55, 56, 63, 64, 65, 1000] + [chance.randrange(300) for _ in range(10)]
        inputs = [(chance.randbytes(7) + b"k", chance.randbytes(size)) for size in sizes]
        folder = pathlib.Path(tempfile.mkdtemp(prefix="skyloom_test_"))
        self.addCleanup(shutil.rmtree, folder)
        source, target = folder / "oracle_input", folder / "oracle_output"
        source.write_text("".join(f"{key.hex()} {text.hex() or '-'}\n" for key, text in inputs))
        oracle = self.start_lua("crypt_oracle", oracle_input=source, oracle_output=target)
        oracle.wait_for_line("the oracle has spoken")
        lines = target.read_text().splitlines()
        self.assertEqual(len(lines), len(inputs))
        for (key, text), line in zip(inputs, lines):
            found = {name: bytes.fromhex(result) for name, result in (word.split("=") for word in line.split())}
            self.assertEqual(decrypted(found.pop("encrypted"), key), text)
            for name, wanted in expected(key, text).items():
                self.assertEqual(found[name], wanted, f"{name} of {text.hex()} with {key.hex()}")


if __name__ == "__main__":
    unittest.main()
