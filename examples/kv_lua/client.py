#!/usr/bin/env python3
"""A dialogue with the key-value store: client.py PORT."""
import socket
import sys

DIALOGUE = (
    ("GET colour", "NONE"),
    ("SET colour deep blue", "OK"),
    ("GET colour", "VALUE deep blue"),
    ("COUNT", "VALUE 1"),
    ("DEL colour", "OK"),
    ("DEL colour", "NONE"),
    ("SET colour", "ERROR SET needs a key and a value"),
    ("QUIT", "BYE"),
)


def main():
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as connection:
        lines = connection.makefile("rw", newline="\n")
        for request, wanted in DIALOGUE:
            lines.write(request + "\n")
            lines.flush()
            answer = lines.readline().rstrip("\n")
            print(f"> {request}\n{answer}", flush=True)
            if answer != wanted:
                sys.exit(f"should be: {wanted}")
        if lines.readline():
            sys.exit("something came after BYE")


if __name__ == "__main__":
    main()
