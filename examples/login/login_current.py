"""A login of today from the client's side, in plain Python: slow, and not for secrets that matter, because its run time
tells of the keys. What it computes is described in docs/guide/login.md."""
import base64
import hmac
import secrets
import struct

PRIME = 2**255 - 19
BASE = (9).to_bytes(32, "little")
NONCE = bytes(12)  # each key is for one message


def x25519(secret, public=BASE):
    """RFC 7748, section 5."""
    scalar = int.from_bytes(secret, "little") & ~7 & (2**254 - 1) | 2**254
    first = int.from_bytes(public, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, first, 1, 0
    for bit in range(254, -1, -1):
        now = scalar >> bit & 1
        if now != swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
        swap = now
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a % PRIME, c * b % PRIME, a * a % PRIME, b * b % PRIME
        x3, z3 = (da + cb) ** 2 % PRIME, first * (da - cb) ** 2 % PRIME
        x2, z2 = aa * bb % PRIME, (aa - bb) * (aa + 121665 * (aa - bb)) % PRIME
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, PRIME - 2, PRIME) % PRIME).to_bytes(32, "little")


def _turn(value, bits):
    return (value << bits | value >> (32 - bits)) & 0xFFFFFFFF


def _quarter(s, a, b, c, d):
    for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xFFFFFFFF
        s[z] = _turn(s[z] ^ s[x], bits)


def _block(key, counter, nonce):
    start = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), counter,
             *struct.unpack("<3I", nonce)]
    state = start[:]
    for _ in range(10):
        for i in range(4):
            _quarter(state, i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            _quarter(state, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<16I", *((x + y) & 0xFFFFFFFF for x, y in zip(state, start)))


def _stream(key, nonce, text):
    return b"".join(bytes(a ^ b for a, b in zip(text[i:i + 64], _block(key, 1 + i // 64, nonce)))
                    for i in range(0, len(text), 64))


def _tag(key, nonce, beside, encrypted):
    one_time = _block(key, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    text = beside + bytes(-len(beside) % 16) + encrypted + bytes(-len(encrypted) % 16)
    text += struct.pack("<QQ", len(beside), len(encrypted))
    total = 0
    for i in range(0, len(text), 16):
        total = (total + int.from_bytes(text[i:i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return (total + int.from_bytes(one_time[16:32], "little") & (2**128 - 1)).to_bytes(16, "little")


def seal(key, nonce, text, beside=b""):
    """ChaCha20-Poly1305, RFC 8439."""
    encrypted = _stream(key, nonce, text)
    return encrypted + _tag(key, nonce, beside, encrypted)


def unseal(key, nonce, sealed, beside=b""):
    encrypted, tag = sealed[:-16], sealed[-16:]
    if not hmac.compare_digest(tag, _tag(key, nonce, beside, encrypted)):
        raise ValueError("somebody has changed a line")
    return _stream(key, nonce, encrypted)


def keys_of(shared, lines):
    """HKDF-SHA256 (RFC 5869): proof, the client's key, the server's key, the secret."""
    key = hmac.digest(b"\n".join(lines), shared, "sha256")
    keys, block = [], b""
    for number in range(1, 5):
        block = hmac.digest(key, block + b"skyloom login" + bytes([number]), "sha256")
        keys.append(block)
    return keys


class CurrentLogin:
    """The client's side: hello() answers the challenge, read_keys() the server's line, and then token() and answer()."""

    def __init__(self, challenge, server_key=None):
        self.own = secrets.token_bytes(32)
        words = [b"x25519", base64.b64encode(x25519(self.own))]
        if server_key:
            words.append(base64.b64encode(server_key))
        self.server_key, self.lines = server_key, [challenge, b" ".join(words)]

    def hello(self):
        return self.lines[1]

    def read_keys(self, line):
        public, proof = line.split(b" ")
        shared = x25519(self.own, base64.b64decode(public))
        if self.server_key:
            shared += x25519(self.own, self.server_key)
        wanted, self.client, self.server, self.secret = keys_of(shared, self.lines + [public])
        if not hmac.compare_digest(wanted, base64.b64decode(proof)):
            raise ValueError("the server is another one, or somebody has changed a line")

    def token(self, text):
        return base64.b64encode(seal(self.client, NONCE, text))

    def answer(self, line):
        return unseal(self.server, NONCE, base64.b64decode(line))
