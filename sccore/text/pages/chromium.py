"""A headless Chromium that shows one page after the other, driven over its DevTools protocol by a pair of pipes.

One process does all pages: a start takes a second, a page a tenth of it. No library is needed: messages are JSON, each
ends with a zero byte, and the browser reads them on its file descriptor 3 and answers on 4. It gets no network.
"""

import base64
import json
import os
import select
import shutil
import signal
import tempfile
from time import monotonic

from sccore.utils.errors import InputError

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-extensions",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--mute-audio",
    "--allow-file-access-from-files",
    "--font-render-hinting=slight",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
PATIENCE = 30  # seconds for one answer


def find() -> str:
    """The path of Chromium or Chrome on this machine; InputError says what to install, or that this system cannot start it so."""
    if not hasattr(os, "posix_spawn"):
        raise InputError("pages are rendered on Linux and macOS alone: the browser is given two pipes by number")
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise InputError(f"no {', '.join(NAMES[:3])} found; install Chromium, for instance `apt install chromium`")


class PageError(Exception):
    """The browser could not do something with this page; it can go on with another one."""


class Browser:
    """A context manager: the process lives inside the `with` block."""

    def __enter__(self):
        program = find()
        self.profile = tempfile.TemporaryDirectory(prefix="sccore-browser-", ignore_cleanup_errors=True)
        theirs_in, self.input = map(_high, os.pipe())
        self.output, theirs_out = map(_high, os.pipe())
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        arguments = [program, *OPTIONS, *root, f"--user-data-dir={self.profile.name}", "about:blank"]
        nowhere = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
        pipes = [(os.POSIX_SPAWN_DUP2, theirs_in, 3), (os.POSIX_SPAWN_DUP2, theirs_out, 4)]
        self.process = os.posix_spawn(program, arguments, os.environ, file_actions=nowhere + pipes, setpgroup=0)
        os.close(theirs_in)
        os.close(theirs_out)
        self.buffer, self.count, self.session, self.loaded = b"", 0, None, set()
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self.call("Page.enable")
            self.call("Page.setLifecycleEventsEnabled", enabled=True)
        except (PageError, OSError) as error:
            self.__exit__()
            raise InputError(f"{program} does not start: {error}") from None
        return self

    def __exit__(self, *_):
        os.close(self.input)
        os.close(self.output)
        try:
            os.killpg(self.process, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.process, 0)
        self.profile.cleanup()

    def call(self, method: str, **parameters) -> dict:
        """One command of the protocol and its result; PageError where the browser answers with an error."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        try:
            with open(self.input, "wb", closefd=False) as pipe:
                pipe.write(json.dumps(message).encode() + b"\0")
        except BrokenPipeError:
            raise PageError("the browser has ended") from None
        answer = self._until(lambda m: m.get("id") == self.count, method)
        if "error" in answer:
            raise PageError(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def open(self, url: str, width: int, height: int, scale: float = 1.0) -> None:
        """Loads a page in a window of width x height CSS pixels, each of them `scale` device pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)
        result = self.call("Page.navigate", url=url)
        if result.get("errorText"):
            raise PageError(result["errorText"])
        if result["loaderId"] not in self.loaded:
            self._until(lambda _: result["loaderId"] in self.loaded, "loading")

    def evaluate(self, script: str):
        """The value of a JavaScript expression, or what its promise gives."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise PageError(result["exceptionDetails"].get("exception", {}).get("description", "a script failed"))
        return result["result"].get("value")

    def screenshot(self) -> bytes:
        """The window as a PNG file."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def _until(self, wanted, what):
        """The first message that is wanted; the others are not of interest here."""
        end = monotonic() + PATIENCE
        while True:
            *messages, self.buffer = self.buffer.split(b"\0")
            for k, message in enumerate(map(json.loads, messages)):
                if message.get("method") == "Page.lifecycleEvent" and message["params"]["name"] == "load":
                    self.loaded.add(message["params"]["loaderId"])
                if wanted(message):
                    self.buffer = b"\0".join([*messages[k + 1 :], self.buffer])
                    return message
            if not select.select([self.output], [], [], max(0, end - monotonic()))[0]:
                raise PageError(f"no answer in {PATIENCE} s ({what})")
            if not (more := os.read(self.output, 1 << 20)):
                raise PageError("the browser has ended")
            self.buffer += more


def _high(fd: int) -> int:
    """The same pipe under a number that 3 and 4 cannot collide with."""
    import fcntl  # not on Windows

    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return high
