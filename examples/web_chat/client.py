#!/usr/bin/env python3
"""Two people chat in a real browser: client.py PORT. Status 77: there is none."""
import json
import sys

import browser

SKIPPED = 77


def say(page, text):
    """As a person does: types into the field, and presses the button."""
    page.run(f"document.getElementById('text').value = {json.dumps(text)}, document.getElementById('send').click()")


def expect(page, line):
    print("  " + (line if len(line) < 60 else f"{line[:50]}... ({len(line)} characters)"))
    page.wait_for(f"[...document.querySelectorAll('#lines > div')].some(one => one.textContent === {json.dumps(line)})",
                  f"the page shows {line!r}")


def enter(chromium, url, name):
    page = chromium.open(url)
    page.wait_for("document.getElementById('state')?.textContent === 'connected'", f"{name} is connected")
    say(page, name)
    expect(page, f"* {name} has come")
    return page


def chat(chromium, url):
    ann = enter(chromium, url, "ann")
    bob = enter(chromium, url, "bob")
    expect(ann, "* bob has come")
    for author, reader, text in ((ann, bob, "hello"), (bob, ann, "grüße, 你好 \U0001f600"),
                                 (ann, bob, "<b>no markup</b>"), (bob, ann, "a long line, compressed " * 40)):
        say(author, text)
        line = f"{'ann' if author is ann else 'bob'}: {text}"
        expect(author, line)
        expect(reader, line)
    bob.close()
    expect(ann, "* bob has gone")
    late = chromium.open(url)
    late.wait_for("document.getElementById('state')?.textContent === 'connected'", "the third is connected")
    say(late, "a name that is longer than thirty-two bytes")
    late.wait_for("document.getElementById('state').textContent === 'closed: 1008 a name has 1 to 32 bytes'",
                  "a name that is too long is refused")


def main():
    program = browser.find()
    if not program:
        print("skipped: there is no Chromium: ./dev setup installs it")
        return SKIPPED
    with browser.Browser(program) as chromium:
        chat(chromium, f"http://127.0.0.1:{sys.argv[1]}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
