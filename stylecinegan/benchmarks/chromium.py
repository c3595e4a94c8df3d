"""A headless Chromium, controlled over a pipe by its DevTools protocol."""

import fcntl
import json
import os
import shutil
import subprocess
import time
from itertools import count
from pathlib import Path

from stylecinegan.errors import InputError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_program() -> str | None:
    """Path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Chromium:
    """A page of a new browser; a context manager that ends it.

    Args:
        folder: Folder for the profile and for downloads.

    Raises:
        InputError: If no Chromium is installed.
    """

    def __init__(self, folder: Path) -> None:
        program = find_program()
        if program is None:
            raise InputError("a browser is needed: install chromium")
        self.downloads = folder / "downloads"
        commands_out, self._commands = os.pipe()
        self._messages, messages_in = os.pipe()

        def connect():
            # The browser reads commands from descriptor 3 and writes messages to descriptor 4.
            # Duplicates from 10 on come first, since the pipes may already occupy 3 or 4.
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (commands_out, messages_in)]
            for end, wanted in zip(ends, (3, 4), strict=True):
                os.dup2(end, wanted)

        self._process = subprocess.Popen(
            [
                program,
                "--headless=new",
                "--no-sandbox",  # continuous integration runs as root
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--mute-audio",
                "--remote-debugging-pipe",
                f"--user-data-dir={folder / 'profile'}",
                "about:blank",
            ],
            preexec_fn=connect,
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands_out)
        os.close(messages_in)
        self._numbers = count(1)
        self._buffer = b""
        self._session = None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        self._session = attached["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.terminate()
        self._process.wait(10)
        os.close(self._commands)
        os.close(self._messages)

    def call(self, method, **parameters):
        """Sends a command and returns its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._read()
            if reply.get("id") == number:
                assert "error" not in reply, (method, reply["error"])
                return reply["result"]

    def _read(self):
        while b"\0" not in self._buffer:
            part = os.read(self._messages, 1 << 16)
            assert part, "the browser has ended"
            self._buffer += part
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def evaluate(self, expression):
        """Value of an expression in the page."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, expression, seconds=60):
        """Waits until an expression in the page is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"timed out waiting for {expression}"
            time.sleep(0.02)

    def open(self, url):
        """Opens a page and waits until it is complete."""
        self.call("Page.navigate", url=url)
        self.wait(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def resize(self, width, height, *, is_phone=False, ratio=1):
        """Resizes the window, in CSS pixels; a phone has a touch screen."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=ratio,
            mobile=is_phone,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=is_phone)

    def press(self, selector, *, by_touch=False):
        """Clicks or taps the centre of the element of a selector."""
        x, y = self.evaluate(
            f"""(() => {{
                const found = document.querySelector({json.dumps(selector)});
                found.scrollIntoView({{ block: "center", behavior: "instant" }});
                const box = found.getBoundingClientRect();
                return [box.x + box.width / 2, box.y + box.height / 2];
            }})()"""
        )
        if by_touch:
            touch = {"x": x, "y": y}
            self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[touch])
            self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
            return
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def downloaded(self, name, seconds=60):
        """Contents of a file that the page saved."""
        end = time.monotonic() + seconds
        while not (self.downloads / name).is_file():
            assert time.monotonic() < end, f"{name} was not saved"
            time.sleep(0.02)
        return (self.downloads / name).read_text("utf-8")
