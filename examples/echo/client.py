#!/usr/bin/env python3
"""A client of the echo example: frames with a 2-byte big-endian length.

Without --say it sends each line of standard input as a frame and prints each reply.
"""
import argparse
import socket
import struct
import sys

FRAME_BYTES_MAX = 0xFFFF


def send_frame(connection, payload):
    if not 0 < len(payload) <= FRAME_BYTES_MAX:
        raise ValueError(f"a frame has 1 to {FRAME_BYTES_MAX} bytes")
    connection.sendall(struct.pack(">H", len(payload)) + payload)


def receive_exactly(connection, count):
    received = b""
    while len(received) < count:
        piece = connection.recv(count - len(received))
        if not piece:
            raise ConnectionError("the server closed the connection")
        received += piece
    return received


def receive_frame(connection):
    (length,) = struct.unpack(">H", receive_exactly(connection, 2))
    return receive_exactly(connection, length)


def exchange(connection, text):
    """Sends one frame and prints the reply."""
    send_frame(connection, text.encode())
    print(receive_frame(connection).decode(errors="replace"), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8888)
    parser.add_argument("--say", metavar="TEXT", help="send one frame, print the reply, and end")
    options = parser.parse_args()
    try:
        with socket.create_connection((options.host, options.port), timeout=10) as connection:
            if options.say is not None:
                exchange(connection, options.say)
                return 0
            print("connected; each line is a frame, 'quit' ends the connection", file=sys.stderr)
            for line in sys.stdin:
                if line.rstrip("\n"):
                    exchange(connection, line.rstrip("\n"))
    except (OSError, ValueError) as error:
        print(f"client.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
