"""Messages of sproto as its documentation describes them, written without our code: for sproto_test.py."""
import struct

SCHEMA = """
.T { i 0 : integer  b 3 : boolean  s 4 : string  d 5 : double  is 16 : *integer  bs 17 : *boolean
     ss 18 : *binary  ds 19 : *double  t 300 : T  ts 301 : *T  price 302 : integer(2) }
"""
TAGS = {"i": 0, "b": 3, "s": 4, "d": 5, "is": 16, "bs": 17, "ss": 18, "ds": 19, "t": 300, "ts": 301, "price": 302}


def part(data):
    return struct.pack("<I", len(data)) + data


def is_narrow(number):
    return -2**31 <= number < 2**31


def element(key, value):
    """An element of an array, or a value of its own, in the data."""
    if key in ("s", "ss"):
        return part(value)
    if key in ("t", "ts"):
        return part(message(value))
    if key == "d":
        return part(struct.pack("<d", value))
    return part(struct.pack("<i" if is_narrow(value) else "<q", value))


def array(key, values):
    if key == "bs":
        return part(bytes(values))
    if key in ("is", "ds"):
        if not values:
            return part(b"")
        form = "d" if key == "ds" else "i" if all(map(is_narrow, values)) else "q"
        width = 4 if form == "i" else 8
        return part(bytes([width]) + struct.pack(f"<{len(values)}{form}", *values))
    return part(b"".join(element(key, value) for value in values))


def message(fields):
    words, data, next_tag = [], b"", 0
    for key, tag in TAGS.items():
        if key not in fields:
            continue
        value = fields[key]
        if tag != next_tag:
            words.append(2 * (tag - next_tag) - 1)
        next_tag = tag + 1
        if key in ("i", "b", "price") and 0 <= value <= 0x7ffe:
            words.append(2 * (value + 1))
        else:
            words.append(0)
            data += array(key, value) if key in ("is", "bs", "ss", "ds", "ts") else element(key, value)
    return struct.pack(f"<H{len(words)}H", len(words), *words) + data


def packed(data):
    data += bytes(-len(data) % 8)
    words = [data[i:i + 8] for i in range(0, len(data), 8)]
    result = b""
    while words:
        run = 0
        if 0 not in words[0]:
            run = 1
            while run < min(256, len(words)) and words[run].count(0) <= 2:
                run += 1
            result += bytes([0xff, run - 1]) + b"".join(words[:run])
        else:
            bits = sum(1 << i for i, byte in enumerate(words[0]) if byte)
            result += bytes([bits]) + bytes(byte for byte in words[0] if byte)
        words = words[max(run, 1):]
    return result


def value_of(chance, depth=1):
    """The fields of a message; the price in hundredths."""
    def integer():
        return chance.getrandbits(64) - 2**63 >> chance.randrange(64)

    def text():
        return chance.randbytes(chance.randrange(12))

    def flag():
        return chance.random() < 0.5

    def real():
        return (chance.random() - 0.5) * 2.0 ** chance.randrange(-30, 30)

    def listed(make):
        return lambda: [make() for _ in range(chance.randrange(6))]

    def nested():
        return value_of(chance, depth + 1)

    makers = {"i": integer, "b": flag, "s": text, "d": real, "is": listed(integer), "bs": listed(flag),
              "ss": listed(text), "ds": listed(real), "price": lambda: chance.randrange(-10**9, 10**9)}
    if depth < 4:
        makers.update({"t": nested, "ts": listed(nested)})
    return {key: make() for key, make in makers.items() if chance.random() < 0.5}


def lua(value, key=None):
    """The value as Lua source."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}={lua(item, name)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ",".join(map(lua, value)) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return '"' + "".join(f"\\{byte:03d}" for byte in value) + '"'
    if isinstance(value, float):
        return value.hex()
    if key == "price":
        return f"({value}/100)"
    return f"(math.mininteger{value + 2**63:+d})" if value < -2**62 else str(value)
