#!/usr/bin/env python3
"""A dialogue with the leaderboard, which must be empty: client.py PORT."""
import socket
import sys

DIALOGUE = (
    ("GET anna", "NONE"),
    ("ADD anna 10", "SCORE 10 RANK 1"),
    ("ADD bert 25", "SCORE 25 RANK 1"),
    ("ADD anna 20", "SCORE 30 RANK 1"),
    ("GET bert", "SCORE 25 RANK 2"),
    ("ADD carl -5", "SCORE -5 RANK 3"),
    ("TOP 2", "1 anna 30\n2 bert 25\nEND"),
    ("ADD anna many", "ERROR ADD needs a name and points"),
    ("TOP 0", "ERROR TOP needs a number from 1 to 100"),
    ("JUMP", "ERROR there is no such request; there are ADD GET TOP DEL QUIT"),
    ("DEL anna", "OK"),
    ("DEL anna", "NONE"),
    ("TOP 9", "1 bert 25\n2 carl -5\nEND"),
    ("QUIT", "BYE"),
)


def main():
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as connection:
        lines = connection.makefile("rw", newline="\n")
        for request, wanted in DIALOGUE:
            lines.write(request + "\n")
            lines.flush()
            answer = "\n".join(lines.readline().rstrip("\n") for _ in wanted.split("\n"))
            print(f"> {request}\n{answer}", flush=True)
            if answer != wanted:
                sys.exit(f"should be: {wanted}")
        if lines.readline():
            sys.exit("something came after BYE")


if __name__ == "__main__":
    main()
