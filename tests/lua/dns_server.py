"""A DNS server that says of each name what a test wants, the truth or not."""
import socket
import struct
import threading

LIE = "6.6.6.6"
A, CNAME, SOA, AAAA = 1, 5, 6, 28
OWNER = b"\xc0\x0c"  # the name of the question
TRUNCATED = 0x8380


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(owner, kind, ttl, data):
    owner = owner if isinstance(owner, bytes) else wire_name(owner)
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def address(ip, ttl=60, owner=OWNER):
    family, kind = (socket.AF_INET6, AAAA) if ":" in ip else (socket.AF_INET, A)
    return record(owner, kind, ttl, socket.inet_pton(family, ip))


def authority(minimum, zone="test"):
    return record(zone, SOA, 600, wire_name("ns.test") + wire_name("admin.test") + struct.pack(">5I", 1, 2, 3, 4, minimum))


class Query:
    def __init__(self, packet, sender):
        self.id, = struct.unpack(">H", packet[:2])
        self.question = packet[12:]
        self.kind, = struct.unpack(">H", packet[-4:-2])
        self.sender = sender
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        self.name = ".".join(labels)

    def answer(self, *records, flags=0x8180, authorities=(), question=None, id=None):
        head = struct.pack(">HHHHHH", self.id if id is None else id, flags, 1, len(records), len(authorities), 0)
        return head + (question or self.question) + b"".join(records) + b"".join(authorities)


class DnsServer:
    """Serves UDP and TCP at one port. `seen` has (name, id, port of the sender) of each UDP query."""

    def __init__(self, test, is_broken=False):
        self.is_broken = is_broken
        self.seen = []
        self.held = []
        self.stream = socket.create_server(("127.0.0.1", 0))
        self.port = self.stream.getsockname()[1]
        self.packets = socket.socket(type=socket.SOCK_DGRAM)
        self.packets.bind(("127.0.0.1", self.port))
        self.stranger = socket.socket(type=socket.SOCK_DGRAM)
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.serve_packets, self.serve_streams)]
        for thread in self.threads:
            thread.start()
        test.addCleanup(self.close)

    def close(self):
        for each in (self.stream, self.packets, self.stranger):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def serve_packets(self):
        while True:
            try:
                packet, sender = self.packets.recvfrom(2048)
            except OSError:
                return
            if not packet:
                return
            query = Query(packet, sender)
            self.seen.append((query.name, query.id, sender[1]))
            for reply in self.replies(query):
                self.packets.sendto(reply, sender)

    def serve_streams(self):
        kept = []
        while True:
            try:
                connection, sender = self.stream.accept()
            except OSError:
                return
            connection.settimeout(20)
            size, = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))
            query = Query(connection.recv(size, socket.MSG_WAITALL), sender)
            connection.sendall(self.stream_reply(query))
            if query.name.startswith("tcpsilent"):
                kept.append(connection)
            else:
                connection.close()

    def count(self, name):
        return sum(1 for each in self.seen if each[0] == name)

    def replies(self, query):
        """What is sent back over UDP, in this order."""
        if self.is_broken:
            return [query.answer(flags=0x8182)]
        method = getattr(self, "say_" + query.name.split(".")[0].rstrip("0123456789"), None)
        return method(query) if method else [query.answer(flags=0x8183, authorities=[authority(60)])]

    def stream_reply(self, query):
        word = query.name.split(".")[0]
        if word == "tcpcut":
            return b"\x01\x00" + query.answer(address("10.0.0.1"))
        if word == "tcplie":
            answer = query.answer(address(LIE), id=query.id ^ 1)
        elif word == "tcptruncated":
            answer = query.answer(flags=TRUNCATED)
        elif word == "tcpsilent":
            return b""
        else:
            answer = query.answer(*[address(f"10.0.1.{i}") for i in range(100)])
        return struct.pack(">H", len(answer)) + answer

    def say_plain(self, query):
        if query.kind == AAAA:
            return [query.answer(authorities=[authority(60)])]
        return [query.answer(address("10.0.0.1"), address("10.0.0.2"))]

    def say_six(self, query):
        return [query.answer(address("fd00::6") if query.kind == AAAA else address("10.0.0.6"))]

    def say_count(self, query, ttl=60):
        return [query.answer(address(f"10.0.0.{self.count(query.name)}", ttl))]

    def say_brief(self, query):
        return self.say_count(query, 1)

    def say_zero(self, query):
        return self.say_count(query, 0)

    def say_stale(self, query):
        return self.say_brief(query) if self.count(query.name) == 1 else [query.answer(flags=0x8182)]

    def say_held(self, query):
        self.held.append(query)
        return []

    def say_release(self, query):
        for held in self.held:
            self.packets.sendto(self.say_count(held)[0], held.sender)
        return self.say_count(query)

    def say_wrongid(self, query):
        return [query.answer(address(LIE), id=query.id ^ 1), query.answer(address("10.0.0.1"))]

    def say_wrongquestion(self, query):
        other = wire_name("bank.test") + struct.pack(">HH", A, 1)
        other_kind = wire_name(query.name) + struct.pack(">HH", AAAA, 1)
        return [query.answer(address(LIE), question=other), query.answer(address(LIE), question=other_kind),
                query.answer(address(LIE), flags=0x0180), b"", b"\0", query.answer(address("10.0.0.1"))]

    def say_poisoned(self, query):
        return [query.answer(address(LIE, owner="bank.test"), address("10.0.0.1"), address(LIE, owner="bank.test"))]

    def say_bank(self, query):
        return self.say_count(query)

    def say_otherport(self, query):
        self.stranger.sendto(query.answer(address(LIE)), query.sender)
        return [query.answer(address("10.0.0.1"))]

    def say_late(self, query):
        if self.count(query.name) == 1:
            self.first = query
            return []
        self.packets.sendto(self.first.answer(address(LIE)), self.first.sender)
        self.packets.sendto(self.first.answer(address(LIE)), query.sender)
        return [query.answer(address("10.0.0.1"))]

    def say_loop(self, query):
        here = 12 + len(query.question)
        return [query.answer(record(struct.pack(">H", 0xc000 | here), A, 60, b"\6\6\6\6"))]

    def say_cut(self, query):
        return [query.answer(address(LIE))[:-1]]

    def say_longer(self, query):
        return [query.answer(address(LIE)) + b"x"]

    def say_big(self, query):
        return [query.answer(address(LIE), flags=TRUNCATED)]

    say_tcpcut = say_tcplie = say_tcptruncated = say_tcpsilent = say_big

    def say_guess(self, query):
        return [query.answer(address(LIE), id=query.id ^ (i + 1)) for i in range(16)]

    def say_alias(self, query):
        return [query.answer(record(OWNER, CNAME, 60, wire_name("plain.test")))]

    def say_inner(self, query):
        return [query.answer(record(OWNER, CNAME, 60, wire_name("x.test")), address("10.0.0.3", owner="x.test"))]

    def say_here(self, query):
        return [query.answer(record(OWNER, CNAME, 60, wire_name("there.test")))]

    def say_there(self, query):
        return [query.answer(record(OWNER, CNAME, 60, wire_name("here.test")))]

    def say_servfail(self, query):
        return [query.answer(flags=0x8182)]

    def say_silent(self, query):
        return []
