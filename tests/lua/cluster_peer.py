"""A node of a cluster in Python, made from the text of the protocol only: to call ours, and to be called."""
import socket
import struct
import threading

PART = 0x8000
DEADLINE = 60


def pack(*values):
    """Serialised values."""
    return b"".join(pack_one(value) for value in values)


def pack_one(value):
    if value is None:
        return b"\x00"
    if isinstance(value, bool):
        return b"\x09" if value else b"\x01"
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        if len(value) < 32:
            return bytes([4 | len(value) << 3]) + value
        if len(value) < 0x10000:
            return b"\x15" + struct.pack("<H", len(value)) + value
        return b"\x25" + struct.pack("<I", len(value)) + value
    if value == 0:
        return b"\x02"
    if 0 < value < 0x100:
        return b"\x0a" + bytes([value])
    if 0 < value < 0x10000:
        return b"\x12" + struct.pack("<H", value)
    if -0x80000000 <= value < 0x80000000:
        return b"\x22" + struct.pack("<i", value)
    return b"\x32" + struct.pack("<q", value)


POINTER = b"\x03" + struct.pack("<Q", 0x1234)


def framed(body):
    return struct.pack(">H", len(body)) + body


def target(address, by_number, by_name):
    """The type byte and the address of a request."""
    if isinstance(address, int):
        return bytes([by_number]) + struct.pack("<I", address)
    return bytes([by_name, len(address)]) + address.encode()


def request_packets(address, session, payload, is_push=False):
    """The packets of a request, without their lengths."""
    if len(payload) < PART:
        return [target(address, 0x00, 0x80) + struct.pack("<I", 0 if is_push else session) + payload]
    head = target(address, 0x41, 0xC1) if is_push else target(address, 0x01, 0x81)
    packets = [head + struct.pack("<II", session, len(payload))]
    for at in range(0, len(payload), PART):
        part = payload[at:at + PART]
        is_last = at + len(part) == len(payload)
        packets.append(bytes([3 if is_last else 2]) + struct.pack("<I", session) + part)
    return packets


def answer_packets(session, is_ok, payload):
    head = struct.pack("<I", session)
    if not is_ok:
        return [head + b"\x00" + payload[:PART]]
    if len(payload) <= PART:
        return [head + b"\x01" + payload]
    packets = [head + b"\x02" + struct.pack("<I", len(payload))]
    for at in range(0, len(payload), PART):
        part = payload[at:at + PART]
        packets.append(head + (b"\x04" if at + len(part) == len(payload) else b"\x03") + part)
    return packets


class Link:
    """A connection and its packets."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.settimeout(DEADLINE)
        self.stream = connection.makefile("rb")

    def send(self, *packets):
        self.connection.sendall(b"".join(framed(packet) for packet in packets))

    def receive(self):
        """The next packet without its length; None at the end."""
        try:
            header = self.stream.read(2)
            if len(header) < 2:
                return None
            return self.stream.read(struct.unpack(">H", header)[0])
        except ConnectionResetError:
            return None

    def close(self):
        self.stream.close()
        self.connection.close()


class Caller(Link):
    """Calls one of our nodes."""

    def __init__(self, port):
        super().__init__(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE))
        self.session = 0

    def call(self, address, *values):
        """(is it a result, its bytes)"""
        self.session += 1
        self.send(*request_packets(address, self.session, pack(*values)))
        return self.answer(self.session)

    def push(self, address, *values):
        self.session += 1
        self.send(*request_packets(address, self.session, pack(*values), is_push=True))

    def answer(self, session):
        packets = [self.receive()]
        if packets[0] is None:
            raise ConnectionError("the node has closed the connection")
        while packets[-1][4] in (2, 3):
            packets.append(self.receive())
        if len(packets) == 1:
            is_ok, payload = packets[0][4] == 1, packets[0][5:]
        else:
            is_ok, payload = True, b"".join(packet[5:] for packet in packets[1:])
        if packets != answer_packets(session, is_ok, payload):
            raise ValueError(f"session {session}: not the packets of an answer: {[p[:12] for p in packets]}")
        return is_ok, payload


class Callee:
    """Is called: `serve(link, packet)` gets every packet, in a thread per connection."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.serve = serve
        self.links = []
        self.packets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            link = Link(connection)
            self.links.append(link)
            threading.Thread(target=self.run, args=(link,), daemon=True).start()

    def run(self, link):
        try:
            while (packet := link.receive()) is not None:
                self.packets.append(packet)
                self.serve(link, packet)
        except (OSError, ValueError):
            pass

    def close(self):
        self.listener.close()
        for link in self.links:
            try:
                link.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
