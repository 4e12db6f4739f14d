#!/usr/bin/env python3
"""What it sends to the echo server comes back: client.py PORT."""
import socket
import sys

TEXT = b"hello\n" * 100000


def main():
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as connection:
        received = bytearray()
        for start in range(0, len(TEXT), 50000):
            connection.sendall(TEXT[start:start + 50000])
            while len(received) < min(start + 50000, len(TEXT)):
                received += connection.recv(65536) or sys.exit("the server closed the connection")
    if received != TEXT:
        sys.exit("other bytes came back")
    print(f"{len(received)} bytes went there and back")


if __name__ == "__main__":
    main()
