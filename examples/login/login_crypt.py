"""The algorithms of the login protocol, in plain Python: slow, and as weak as they are old."""
import base64
import hashlib
import hmac
import math
import secrets
import struct

MODULUS = 0xFFFFFFFFFFFFFFC5
MASK = 0xFFFFFFFF

# Tables of FIPS 46-3; bits count from 1, at the most significant.
INITIAL = [58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6, 64,
    56, 48, 40, 32, 24, 16, 8, 57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3, 61, 53, 45, 37,
    29, 21, 13, 5, 63, 55, 47, 39, 31, 23, 15, 7]
FINAL = [40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30, 37, 5,
    45, 13, 53, 21, 61, 29, 36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27, 34, 2, 42, 10, 50,
    18, 58, 26, 33, 1, 41, 9, 49, 17, 57, 25]
ROUND_OUTPUT = [16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19,
    13, 30, 6, 22, 11, 4, 25]
KEY_BITS = [57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60,
    52, 44, 36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5,
    28, 20, 12, 4]
ROUND_KEY_BITS = [14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32]
KEY_TURNS = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1]
EXPANSION = [32, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 8, 9, 10, 11, 12, 13, 12, 13, 14, 15, 16, 17, 16, 17, 18,
    19, 20, 21, 20, 21, 22, 23, 24, 25, 24, 25, 26, 27, 28, 29, 28, 29, 30, 31, 32, 1]
BOXES = ["e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d",
         "f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9",
         "a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c",
         "7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e",
         "2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453",
         "c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d",
         "4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c",
         "d2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b"]


def permute(value, bits, table):
    result = 0
    for bit in table:
        result = result << 1 | (value >> (bits - bit) & 1)
    return result


def round_keys(key):
    bits = permute(int.from_bytes(key, "big"), 64, KEY_BITS)
    left, right = bits >> 28, bits & 0xFFFFFFF
    keys = []
    for turns in KEY_TURNS:
        left = (left << turns | left >> (28 - turns)) & 0xFFFFFFF
        right = (right << turns | right >> (28 - turns)) & 0xFFFFFFF
        keys.append(permute(left << 28 | right, 56, ROUND_KEY_BITS))
    return keys


def round_output(half, key):
    mixed = permute(half, 32, EXPANSION) ^ key
    output = 0
    for box in range(8):
        six = mixed >> (42 - 6 * box) & 63
        row = six >> 4 & 2 | six & 1
        output = output << 4 | int(BOXES[box][row * 16 + (six >> 1 & 15)], 16)
    return permute(output, 32, ROUND_OUTPUT)


def des_encode(key, text):
    """ECB; padded with 0x80 and zeros, always."""
    text += b"\x80" + b"\0" * (7 - len(text) % 8)
    keys = round_keys(key)
    blocks = []
    for at in range(0, len(text), 8):
        block = permute(int.from_bytes(text[at:at + 8], "big"), 64, INITIAL)
        left, right = block >> 32, block & MASK
        for round_key in keys:
            left, right = right, left ^ round_output(right, round_key)
        blocks.append(permute(right << 32 | left, 64, FINAL).to_bytes(8, "big"))
    return b"".join(blocks)


def random_key():
    return (secrets.randbelow(2**64 - 1) + 1).to_bytes(8, "little")


def dh_exchange(key):
    return pow(5, int.from_bytes(key, "little"), MODULUS).to_bytes(8, "little")


def dh_secret(public, key):
    return pow(int.from_bytes(public, "little"), int.from_bytes(key, "little"), MODULUS).to_bytes(8, "little")


def hash_key(text):
    first, second = 5381, 1315423911
    for byte in text:
        first = (first * 33 + byte) & MASK
        second ^= (second << 5) + byte + (second >> 2) & MASK
        second &= MASK
    return struct.pack("<II", first, second)


MD5_TURNS = [7, 12, 17, 22] * 4 + [5, 9, 14, 20] * 4 + [4, 11, 16, 23] * 4 + [6, 10, 15, 21] * 4
MD5_SINES = [int(abs(math.sin(i + 1)) * 2**32) & MASK for i in range(64)]


def md5_steps(words):
    """The compression of MD5 from its start values, without the addition at the end."""
    a, b, c, d = 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476
    for i in range(64):
        if i < 16:
            mixed, word = b & c | ~b & d, i
        elif i < 32:
            mixed, word = d & b | ~d & c, (5 * i + 1) % 16
        elif i < 48:
            mixed, word = b ^ c ^ d, (3 * i + 5) % 16
        else:
            mixed, word = c ^ (b | ~d), 7 * i % 16
        total = (mixed + a + MD5_SINES[i] + words[word]) & MASK
        turned = total << MD5_TURNS[i] | total >> (32 - MD5_TURNS[i])
        a, b, c, d = d, (b + turned) & MASK, b, c
    return a, b, c, d


def hmac64(x, y):
    x_low, x_high = struct.unpack("<II", x)
    y_low, y_high = struct.unpack("<II", y)
    a, b, c, d = md5_steps([x_high, x_low, y_high, y_low] * 4)
    return struct.pack("<II", c ^ d, a ^ b)


def hmac_hash(key, text):
    return hmac64(hash_key(text), key)


def hmac_sha1(key, text):
    return hmac.new(key, text, hashlib.sha1).digest()


def encode64(text):
    return base64.b64encode(text)


def decode64(text):
    return base64.b64decode(text)
