"""A simulated user of the browser app."""

import base64
import json
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from stylecinegan.benchmarks.chromium import Chromium

SETTLED = (
    "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))).then(String)"
)
"""JavaScript expression that waits for the next repaint, after which a user sees the result."""

Point = Sequence[float]
"""(x, y), in normalised coordinates of the photo or in CSS pixels of the window."""


class Visitor(Chromium):
    """Chromium on the app's page; a context manager.

    Attributes:
        address: Address of the app.
        requests: Addresses of all network requests.
        problems: Exceptions and log entries of the page.

    Args:
        folder: Folder for the profile and for downloads.
        address: Address of the app.

    Raises:
        InputError: If no Chromium is installed.
    """

    def __init__(self, folder: Path, address: str) -> None:
        super().__init__(folder)
        self.address = address
        self.requests: list[str] = []
        self.problems: list[dict[str, Any]] = []
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def _read(self) -> dict[str, Any]:
        """Reads the next message and keeps a record of requests and problems."""
        message = super()._read()
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(message["params"]["exceptionDetails"])
        if message.get("method") == "Log.entryAdded":
            self.problems.append(message["params"]["entry"])
        return message

    def visit(
        self,
        width: int = 1280,
        height: int = 800,
        *,
        is_phone: bool = False,
        dark: bool = True,
        ratio: float = 1,
    ) -> None:
        """Opens the app in a window of the given size and waits for the first loop.

        Args:
            width: See :meth:`resize`.
            height: See :meth:`resize`.
            is_phone: See :meth:`resize`.
            dark: Whether the user prefers dark colours.
            ratio: See :meth:`resize`.
        """
        self.resize(width, height, is_phone=is_phone, ratio=ratio)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.open(self.address)
        self.wait_for_loop()

    def wait_for_loop(self, after: int = 0, seconds: float = 240) -> int:
        """Waits until more than ``after`` loops have been shown, and returns their number.

        Raises:
            TimeoutError: If that takes longer than ``seconds``.
        """
        self.wait(f"(window.stylecinegan?.app.previews ?? 0) > {after}", seconds)
        return self.num_loops()

    def num_loops(self) -> int:
        """Number of loops that have been shown since the page was opened."""
        return self.evaluate("window.stylecinegan?.app.previews ?? 0")

    def edits(self) -> dict[str, Any]:
        """All strokes, arrows and settings."""
        return self.evaluate("window.stylecinegan.app.history.edits")

    def status(self) -> str:
        """Text of the message on the stage, empty if there is none."""
        return self.evaluate(
            "(e => e.hidden ? '' : e.textContent)(document.querySelector('#status'))"
        )

    def upload(self, *paths: Path, selector: str = "#file") -> None:
        """Selects files for an input field, by default that of the photo."""
        node = self.call("Runtime.evaluate", expression=f"document.querySelector('{selector}')")
        self.call(
            "DOM.setFileInputFiles",
            files=[str(path) for path in paths],
            objectId=node["result"]["objectId"],
        )

    def place_of(self, point: Point) -> list[float]:
        """Position in the window of a point of the photo, given in normalised coordinates."""
        return self.evaluate(
            f"""(([x, y]) => {{
                const {{ view }} = stylecinegan.app;
                const [left, top] = view.toStage(x * view.photo.width, y * view.photo.height);
                const box = document.querySelector("#stage").getBoundingClientRect();
                return [box.x + left, box.y + top];
            }})({json.dumps(point)})"""
        )

    def mouse(self, kind: str, x: float, y: float, *, button: str = "left", **more: object) -> None:
        """Dispatches a mouse event at a position in the window.

        Args:
            kind: Type of the event in the DevTools protocol, e.g. ``"mousePressed"``.
            x: Column in CSS pixels.
            y: Row in CSS pixels.
            button: ``"left"``, ``"middle"`` or ``"none"``.
            more: Further parameters of the event.
        """
        # Bits of the buttons that are down during the event.
        held = {"left": 1, "middle": 4}.get(button, 0) if kind != "mouseReleased" else 0
        self.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button=button,
            buttons=held,
            clickCount=1,
            **more,
        )

    def drag(self, points: Sequence[Point], *, steps: int = 6, by_touch: bool = False) -> None:
        """Drags from point to point of the photo.

        Args:
            points: Two or more points in normalised coordinates.
            steps: Number of movements between two points.
            by_touch: Whether a finger drags, rather than the mouse.
        """
        ends = [self.place_of(point) for point in points]
        path = [ends[0]]
        for start, end in pairwise(ends):
            for step in range(1, steps + 1):
                part = step / steps
                path.append([a + part * (b - a) for a, b in zip(start, end, strict=True)])
        if by_touch:
            self.touch("touchStart", path[0])
            for place in path[1:]:
                self.touch("touchMove", place)
            self.touch("touchEnd")
        else:
            self.mouse("mousePressed", *path[0])
            for place in path[1:]:
                self.mouse("mouseMoved", *place)
            self.mouse("mouseReleased", *path[-1])

    def touch(self, kind: str, *places: Point) -> None:
        """Dispatches a touch event of fingers at positions in the window."""
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def choose(self, tool: str, *, by_touch: bool = False) -> None:
        """Selects a tool."""
        self.press(f"[data-tool={tool}]", by_touch=by_touch)
        is_selected = f"stylecinegan.tools.tool === {tool!r}"
        if by_touch:
            # A tap takes a moment to be a click, and Chromium may ignore one that follows a drag.
            end = time.monotonic() + 1
            while not self.evaluate(is_selected) and time.monotonic() < end:
                time.sleep(0.05)
            if not self.evaluate(is_selected):
                self.press(f"[data-tool={tool}]", by_touch=True)
        self.wait(is_selected)

    def key(
        self, key: str, *, code: str | None = None, modifiers: int = 0, text: str | None = None
    ) -> None:
        """Presses and releases a key.

        Args:
            key: Its name in the DOM, e.g. ``"Enter"`` or ``"z"``.
            code: Name of the physical key, by default ``key``.
            modifiers: Sum of 1 for Alt, 2 for Ctrl, 4 for Meta and 8 for Shift.
            text: Text that it types; by default a single character types itself.
        """
        common: dict[str, object] = {"key": key, "code": code or key, "modifiers": modifiers}
        if text or len(key) == 1:
            common["text"] = text or key
        if key == "Enter":
            common |= {"windowsVirtualKeyCode": 13, "text": "\r"}
        elif key == "Escape":
            common |= {"windowsVirtualKeyCode": 27}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common)
        common.pop("text", None)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path: Path) -> None:
        """Writes a screenshot of the next repaint as PNG."""
        self.evaluate(SETTLED)
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(picture))
