"""Drives Debian's chromium through its debugging pipe, with nothing but the standard library."""

import base64
import contextlib
import dataclasses
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_DEADLINE_SECONDS = 60.0
"""Of one answer: a cold start on a busy machine of two cores takes ten."""
PHONE_WIDTH = 600
"""Narrower windows lay a page out as phones do."""
_OPTIONS = (
    *("--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--no-sandbox",  # refuses to start as root otherwise; the page is ours
)


def program() -> str | None:
    """Return the browser on the PATH, if there is one."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@dataclasses.dataclass
class Browser:
    """
    One browser with one page open at a time.

    Speaks the Chrome DevTools Protocol over two pipes; messages are JSON and end with a zero byte.
    """

    process: subprocess.Popen[bytes]
    commands: int
    answers: int
    target: str = ""
    session: str = ""
    events: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """All that the open page brought about, in order."""
    _number: int = 0
    _buffer: bytes = b""

    def open(self, address: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> Self:
        """Load a page in a tab of its own and wait until it is there; the tab before it is gone."""
        self.session = ""
        if self.target:
            self.call("Target.closeTarget", targetId=self.target)
        self.target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        self.events.clear()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": height, "deviceScaleFactor": 1}
        self.call("Emulation.setDeviceMetricsOverride", **size, mobile=width < PHONE_WIDTH)
        self.load(address)
        return self

    def load(self, address: str) -> None:
        """Go to a page in the tab that is open, and wait until it is there."""
        self.call("Page.navigate", url=address)
        self._read_until(lambda message: message.get("method") == "Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Return what a JavaScript expression comes to in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key: Tab, Enter, or ArrowDown."""
        code = {"Tab": 9, "Enter": 13, "ArrowDown": 40}[key]
        letters = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **letters)

    def picture(self) -> bytes:
        """Return the whole page as PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    @property
    def complaints(self) -> list[str]:
        """What the page wrote to the console, and what the browser did for it: errors, refusals, warnings."""
        methods = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [json.dumps(event["params"]) for event in self.events if event["method"] in methods]

    @property
    def requests(self) -> list[str]:
        """The addresses that were asked for, data in the page itself left out."""
        asked = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        addresses = [event["params"]["request"]["url"] for event in asked]
        return [address for address in addresses if not address.startswith("data:")]

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its answer."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        answer = self._read_until(lambda found: found.get("id") == number)
        assert "error" not in answer, (method, answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def _read_until(self, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the next message that is wanted, and keep the events that come before it and itself."""
        while True:
            message = self._next()
            if "method" in message and message.get("sessionId", "") == self.session:
                self.events.append(message)
            if is_wanted(message):
                return message

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + _DEADLINE_SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self.answers], [], [], max(end - time.monotonic(), 0))
            assert ready, "chromium does not answer"
            read = os.read(self.answers, 1 << 20)
            assert read, "chromium ended"
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


@contextlib.contextmanager
def started(path: str) -> Iterator[Browser]:
    """Start the browser at *path* with a profile that is gone afterwards."""
    commands_read, commands = os.pipe()
    answers, answers_written = os.pipe()
    # Chromium reads commands from 3 and writes answers to 4; a shell is what can put our pipes there.
    shell = f'exec "$@" 3<&{commands_read} 4>&{answers_written}'
    with tempfile.TemporaryDirectory(prefix="chromium", ignore_cleanup_errors=True) as profile:
        command = ["bash", "-c", shell, "bash", path, *_OPTIONS, f"--user-data-dir={Path(profile) / 'profile'}"]
        log = Path(profile, "log").open("wb")  # noqa: SIM115 (closed with the process)
        process = subprocess.Popen(command, pass_fds=(commands_read, answers_written), stdout=log, stderr=log)
        os.close(commands_read)
        os.close(answers_written)
        browser = Browser(process=process, commands=commands, answers=answers)
        try:
            yield browser
        finally:
            with contextlib.suppress(AssertionError, OSError):
                browser.session = ""
                browser.call("Browser.close")
            for end in (commands, answers):
                os.close(end)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
            log.close()
