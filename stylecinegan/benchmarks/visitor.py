"""A simulated user of the browser app."""

import base64
import json
import time
from itertools import pairwise

from stylecinegan.benchmarks.chromium import Chromium, find_program

__all__ = ["Visitor", "find_program"]

# Waits for the next repaint, so that the result is visible to a user.
SETTLED = (
    "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))).then(String)"
)


class Visitor(Chromium):
    """Chromium on the app's page; a context manager.

    Attributes:
        requests: Addresses of all network requests.
        problems: Exceptions and log entries of the page.
    """

    def __init__(self, folder, address):
        super().__init__(folder)
        self.address = address
        self.requests = []
        self.problems = []
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def _read(self):
        message = super()._read()
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(message["params"]["exceptionDetails"])
        if message.get("method") == "Log.entryAdded":
            self.problems.append(message["params"]["entry"])
        return message

    def visit(self, width=1280, height=800, *, is_phone=False, dark=True, ratio=1):
        """Opens the app in a window of the given size and waits for the first loop."""
        self.resize(width, height, is_phone=is_phone, ratio=ratio)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.open(self.address)
        self.wait_for_loop()

    def wait_for_loop(self, after=0, seconds=240):
        """Waits until more loops than ``after`` have been shown."""
        self.wait(f"(window.stylecinegan?.app.previews ?? 0) > {after}", seconds)
        return self.num_loops()

    def num_loops(self):
        """Number of loops that have been shown since the page was opened."""
        return self.evaluate("window.stylecinegan?.app.previews ?? 0")

    def edits(self):
        """All strokes, arrows and settings."""
        return self.evaluate("window.stylecinegan.app.history.edits")

    def status(self):
        """Text of the message on the stage, empty if there is none."""
        return self.evaluate(
            "(e => e.hidden ? '' : e.textContent)(document.querySelector('#status'))"
        )

    def upload(self, *paths, selector="#file"):
        """Selects files for an input field."""
        node = self.call("Runtime.evaluate", expression=f"document.querySelector('{selector}')")
        self.call(
            "DOM.setFileInputFiles",
            files=[str(path) for path in paths],
            objectId=node["result"]["objectId"],
        )

    def place_of(self, share):
        """Position in the window of a point of the photo, given in normalised coordinates."""
        return self.evaluate(
            f"""(([x, y]) => {{
                const {{ view }} = stylecinegan.app;
                const [left, top] = view.toStage(x * view.photo.width, y * view.photo.height);
                const box = document.querySelector("#stage").getBoundingClientRect();
                return [box.x + left, box.y + top];
            }})({json.dumps(share)})"""
        )

    def mouse(self, kind, x, y, *, button="left", **more):
        """Dispatches a mouse event at a position in the window."""
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

    def drag(self, shares, *, steps=6, by_touch=False):
        """Drags from point to point of the photo, given in normalised coordinates."""
        ends = [self.place_of(share) for share in shares]
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

    def touch(self, kind, *places):
        """Dispatches a touch event."""
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def choose(self, tool, *, by_touch=False):
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

    def key(self, key, *, code=None, modifiers=0, text=None):
        """Presses and releases a key."""
        common = {"key": key, "code": code or key, "modifiers": modifiers}
        if text or len(key) == 1:
            common["text"] = text or key
        if key == "Enter":
            common |= {"windowsVirtualKeyCode": 13, "text": "\r"}
        elif key == "Escape":
            common |= {"windowsVirtualKeyCode": 27}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common)
        common.pop("text", None)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path):
        """Writes a screenshot as PNG."""
        self.evaluate(SETTLED)
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(picture))

    def saved(self, suffix, seconds=60):
        """Waits for a download whose name ends in ``suffix``, and returns its path."""
        end = time.monotonic() + seconds
        while True:
            found = list(self.downloads.glob(f"*{suffix}")) if self.downloads.exists() else []
            if found:
                return found[0]
            assert time.monotonic() < end, f"no {suffix} was saved"
            self.evaluate("0")
            time.sleep(0.05)
