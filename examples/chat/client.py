#!/usr/bin/env python3
"""A client of the chat room: frames with a 2-byte big-endian length, each a line of text.

Each line of standard input is sent, what comes is printed. --demo: three guests talk to each other,
unattended; the status is 0 if everybody heard what he should.
"""
import argparse
import socket
import struct
import sys
import threading


class Guest:
    def __init__(self, port, host="127.0.0.1", name=None):
        self.name = name
        self.connection = socket.create_connection((host, port), timeout=20)
        self.stream = self.connection.makefile("rb")

    def send(self, text):
        payload = text.encode()
        self.connection.sendall(struct.pack(">H", len(payload)) + payload)

    def receive(self):
        """The next line; None at the end."""
        header = self.stream.read(2)
        if len(header) < 2:
            return None
        return self.stream.read(struct.unpack(">H", header)[0]).decode(errors="replace")

    def expect(self, *wanted):
        for text in wanted:
            heard = self.receive()
            if heard != text:
                raise ValueError(f"{self.name} should hear {text!r}, not {heard!r}")
            print(f"{self.name:>6} | {heard}", flush=True)

    def close(self):
        self.stream.close()
        self.connection.close()


def enter(port, name, count):
    guest = Guest(port, name=name)
    guest.expect("who are you?")
    guest.send(name)
    guest.expect(f"welcome {name}, {count} here")
    return guest


def demo(port):
    anna = enter(port, "anna", 1)
    bert = enter(port, "bert", 2)
    anna.expect("* bert comes in")
    carla = enter(port, "carla", 3)
    for guest in (anna, bert):
        guest.expect("* carla comes in")
    anna.send("hello, everybody")
    for guest in (anna, bert, carla):
        guest.expect("anna: hello, everybody")
    bert.send("/who")
    bert.expect("anna bert carla")
    carla.send("/quit")
    carla.expect("bye")
    if carla.receive() is not None:
        raise ValueError("carla should hear no more")
    for guest in (anna, bert):
        guest.expect("* carla has left")
    bert.close()
    anna.expect("* bert has left")
    anna.close()


def talk(host, port):
    guest = Guest(port, host)
    guest.connection.settimeout(None)

    def listen():
        while (text := guest.receive()) is not None:
            print(text, flush=True)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    for line in sys.stdin:
        guest.send(line.rstrip("\n"))
    guest.connection.shutdown(socket.SHUT_WR)
    listener.join(10)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8888)
    parser.add_argument("--demo", action="store_true")
    options = parser.parse_args()
    try:
        if options.demo:
            demo(options.port)
        else:
            talk(options.host, options.port)
    except (OSError, ValueError) as error:
        print(f"client.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
