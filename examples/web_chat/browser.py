"""Chromium, without a window: pages are opened and scripts run in them, over the pipe of DevTools."""
import json
import os
import selectors
import shutil
import subprocess
import tempfile
import time

DEADLINE = 60.0  # seconds for whatever must happen soon
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--remote-debugging-pipe"]


def find():
    """The program, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    def __init__(self, program):
        self._folder = tempfile.TemporaryDirectory(prefix="skyloom_browser_", ignore_cleanup_errors=True)
        to_child, self._to = os.pipe()
        self._from, from_child = os.pipe()
        # DevTools reads 3 and writes 4, whatever numbers the pipes have here.
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_child} 4>&{from_child}', "browser",
             program, *FLAGS, f"--user-data-dir={self._folder.name}", "about:blank"],
            pass_fds=(to_child, from_child), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_child)
        os.close(from_child)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._from, selectors.EVENT_READ)
        self._unread = b""
        self._id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._folder.cleanup()

    def _next(self, end):
        """The next message of the browser."""
        while b"\0" not in self._unread:
            if not self._selector.select(max(0, end - time.monotonic())):
                raise AssertionError(f"the browser has not answered within {DEADLINE:.0f} s")
            piece = os.read(self._from, 1 << 16)
            if not piece:
                raise AssertionError("the browser has ended")
            self._unread += piece
        message, self._unread = self._unread.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **params):
        self._id += 1
        request = {"id": self._id, "method": method, "params": params}
        if session:
            request["sessionId"] = session
        bytes_left = json.dumps(request).encode() + b"\0"
        while bytes_left:
            bytes_left = bytes_left[os.write(self._to, bytes_left):]
        end = time.monotonic() + DEADLINE
        while True:
            answer = self._next(end)
            if answer.get("id") != self._id:
                continue  # an event
            if "error" in answer:
                raise AssertionError(f"{method}: {answer['error']}")
            return answer["result"]

    def open(self, url):
        return Page(self, url)


class Page:
    def __init__(self, browser, url):
        self._browser = browser
        self._target = browser.call("Target.createTarget", url=url)["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]

    def run(self, script):
        """The value of an expression in the page."""
        result = self._browser.call("Runtime.evaluate", self._session, expression=script, returnByValue=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, script, what):
        """Until the expression is true."""
        end = time.monotonic() + DEADLINE
        while not self.run(script):
            if time.monotonic() > end:
                text = self.run("document.body && document.body.innerText")
                raise AssertionError(f"{what}: not so within {DEADLINE:.0f} s; the page says\n{text}")
            time.sleep(0.02)

    def close(self):
        self._browser.call("Target.closeTarget", targetId=self._target)
