#!/usr/bin/env python3
"""Changes the prices of the shop while it is open: client.py PORT PRICES_FILE."""
import pathlib
import socket
import sys
import time

CASHIERS = 4
DEADLINE_S = 60
NEW_PRICES = """
version = 2
currency = "USD"
prices = { apple = 50 }
discounts = {}
"""


class Shop:
    def __init__(self, port):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        self.lines = self.connection.makefile("rw", newline="\n")

    def ask(self, request):
        self.lines.write(request + "\n")
        self.lines.flush()
        return self.lines.readline().rstrip("\n")

    def expect(self, request, wanted):
        answer = self.ask(request)
        print(f"> {request}\n{answer}", flush=True)
        if answer != wanted:
            sys.exit(f"should be: {wanted}")


def main():
    shop = Shop(int(sys.argv[1]))
    prices = pathlib.Path(sys.argv[2])
    shop.expect("VERSIONS", "VERSIONS 1 1 1 1")
    for _ in range(CASHIERS):
        shop.expect("PRICE apple 10", "PRICE 285 EUR")
    prices.write_text("prices = {")
    shop.expect("RELOAD", "ERROR the prices stay: see the log")
    shop.expect("PRICE pear 1", "PRICE 45 EUR")
    prices.write_text(NEW_PRICES)
    shop.expect("RELOAD", "OK")
    give_up = time.monotonic() + DEADLINE_S
    while shop.ask("VERSIONS") != "VERSIONS 2 2 2 2":  # each cashier is told by a message
        if time.monotonic() > give_up:
            sys.exit("a cashier still has the old version")
    for _ in range(CASHIERS):
        shop.expect("PRICE apple 10", "PRICE 500 USD")
    shop.expect("PRICE pear 1", "NONE")
    shop.expect("QUIT", "BYE")


if __name__ == "__main__":
    main()
