#!/usr/bin/env python3
"""Sends datagrams to the service and checks the answers: client.py PORT."""
import socket
import sys
import time


def ask(connection, text):
    """The answer. Datagrams get lost, above all before the service is there: asks until one comes."""
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        try:
            connection.send(text.encode())
            return connection.recv(65536).decode()
        except (ConnectionRefusedError, socket.timeout):
            time.sleep(0.05)
    sys.exit("no answer")


def main():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(1)
        connection.connect(("127.0.0.1", int(sys.argv[1])))
        host, port = connection.getsockname()
        for text in ("hello", "", "bye"):
            answer = ask(connection, text)
            print(answer, flush=True)
            if not answer.startswith(f"{host}:{port} #") or not answer.endswith(" " + text):
                sys.exit("that is not the answer")


if __name__ == "__main__":
    main()
