"""A headless Chromium, controlled over a pipe by its DevTools protocol."""

import fcntl
import json
import os
import shutil
import subprocess
import time
from itertools import count
from pathlib import Path
from typing import Any, Self

from stylecinegan.errors import InputError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
"""Names of Chromium and Chrome, by preference."""


def find_chromium() -> str | None:
    """Finds the path of an installed Chromium; ``None`` if there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Chromium:
    """A page of a new browser; a context manager that ends it.

    Attributes:
        downloads: Folder of the files that the page saves.

    Args:
        folder: Folder for the profile and for downloads.

    Raises:
        InputError: If no Chromium is installed.
    """

    def __init__(self, folder: Path) -> None:
        program = find_chromium()
        if program is None:
            raise InputError("a browser is needed: install chromium")
        self.downloads = folder / "downloads"
        commands_out, self._commands = os.pipe()
        self._messages, messages_in = os.pipe()

        def connect() -> None:
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
        self._session: str | None = None  # until a page is attached, commands go to the browser
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        self._session = attached["sessionId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        os.close(self._commands)
        os.close(self._messages)

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Sends a command of the DevTools protocol and returns its result.

        Raises:
            RuntimeError: If the browser refuses the command.
        """
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._read()
            if reply.get("id") == number:
                if "error" in reply:
                    raise RuntimeError(f"{method}: {reply['error']}")
                return reply["result"]

    def _read(self) -> dict[str, Any]:
        """Reads the next message: the reply to a command, or an event."""
        while b"\0" not in self._buffer:
            part = os.read(self._messages, 1 << 16)
            if not part:
                raise EOFError("the browser has ended")
            self._buffer += part
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def evaluate(self, expression: str) -> Any:
        """Evaluates a JavaScript expression in the page; a promise is awaited.

        Raises:
            RuntimeError: If the expression throws an exception.
        """
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, expression: str, seconds: float = 60) -> None:
        """Waits until a JavaScript expression is true in the page.

        Raises:
            TimeoutError: If it is false for longer than ``seconds``.
        """
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            if time.monotonic() > end:
                raise TimeoutError(f"timed out waiting for {expression}")
            time.sleep(0.02)

    def open(self, url: str) -> None:
        """Opens a page and waits until it is complete."""
        self.call("Page.navigate", url=url)
        self.wait(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def resize(self, width: int, height: int, *, is_phone: bool = False, ratio: float = 1) -> None:
        """Resizes the window.

        Args:
            width: Width in CSS pixels.
            height: Height in CSS pixels.
            is_phone: Whether the device is a phone, with a touch screen.
            ratio: Pixels of the screen per CSS pixel.
        """
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=ratio,
            mobile=is_phone,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=is_phone)

    def press(self, selector: str, *, by_touch: bool = False) -> None:
        """Clicks or taps the centre of the first element of a CSS selector."""
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

    def wait_for_download(self, pattern: str, seconds: float = 60) -> Path:
        """Waits for a file that the page saves.

        Args:
            pattern: Glob pattern of its name.
            seconds: Longest time to wait.

        Raises:
            TimeoutError: If there is no such file by then.
        """
        end = time.monotonic() + seconds
        while True:
            found = list(self.downloads.glob(pattern)) if self.downloads.exists() else []
            if found:
                return found[0]
            if time.monotonic() > end:
                raise TimeoutError(f"no {pattern} was saved")
            self.evaluate("0")  # reads pending events, without which the browser may block
            time.sleep(0.05)
