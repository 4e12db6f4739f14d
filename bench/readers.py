#!/usr/bin/env python3
"""Connections that read whatever comes and throw it away, until they are ended.

usage: readers.py PORT COUNT        prints "connected" when all are
"""
import resource
import select
import socket
import sys

READ_BYTES = 1 << 16


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    poller = select.epoll()
    clients = {}
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port))
        client.setblocking(False)
        clients[client.fileno()] = client
        poller.register(client, select.EPOLLIN)
    print("connected", flush=True)
    while clients:
        for descriptor, _ in poller.poll(maxevents=1024):
            if not clients[descriptor].recv(READ_BYTES):
                clients.pop(descriptor).close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
