"""A film of the app in use and a still of it, for the docs: python docs/app_film.py"""  # noqa: D415

# A photo is dropped, a stroke holds still what moved, an arrow turns the clouds. Every picture is
# what Chromium shows of the real page and model; the script decides when it is taken, and draws the
# pointer, which a browser without a window does not have.

import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw

from stylecinegan import io
from stylecinegan.benchmarks.visitor import Visitor
from stylecinegan.data.drawn import draw_landscape

FILM = Path(__file__).with_name("app_film.webp")
STILL = Path(__file__).with_name("app.webp")
SIZE = (1120, 700)
WIDTH = 880
FPS = 6
POINTER = [(0, 0), (0, 17), (4, 13), (7, 19), (10, 18), (7, 12), (12, 12)]


class Film:
    """Pictures of a visitor's page, one after the other."""

    def __init__(self, page, folder):
        self._page = page
        self._file = folder / "picture.png"
        self.pictures = []
        self.still = None  # the moment after what was drawn last

    def take(self, pointer=None):
        """Takes a picture and lets the loop go on by one step of the film."""
        self._page.evaluate(
            f"""((app) => {{
                app.loop.play(false);
                app.loop.seek(app.loop.index + app.loop.fps / {FPS});
                app.redraw();
            }})(stylecinegan.app)"""
        )
        self._page.screenshot(self._file)
        picture = Image.open(self._file).convert("RGB")
        if pointer is not None:
            shape = [(pointer[0] + x, pointer[1] + y) for x, y in POINTER]
            ImageDraw.Draw(picture).polygon(shape, "white", "black")
        self.pictures.append(picture.resize((WIDTH, WIDTH * SIZE[1] // SIZE[0]), Image.LANCZOS))

    def watch(self, seconds, pointer=None):
        """Looks at the page for a while."""
        for _ in range(round(seconds * FPS)):
            self.take(pointer)

    def draw(self, tool, shares, steps=6):
        """Chooses a tool, draws through places of the photo, and waits for the new loop."""
        self._page.choose(tool)
        ends = [self._page.place_of(share) for share in shares]
        way = [ends[0]]
        for start, end in pairwise(ends):
            parts = [step / steps for step in range(1, steps + 1)]
            way += [[a + t * (b - a) for a, b in zip(start, end, strict=True)] for t in parts]
        self._page.mouse("mouseMoved", *way[0], button="none")
        self.watch(0.4, way[0])
        self._page.mouse("mousePressed", *way[0])
        for place in way[1:]:
            self._page.mouse("mouseMoved", *place)
            self.take(place)
        before = self._page.num_loops()
        self._page.mouse("mouseReleased", *way[-1])
        self.watch(0.5, way[-1])
        self.still = self.pictures[-1]
        self._page.wait_for_loop(before)
        self._page.choose("view")
        self._page.mouse("mouseMoved", *way[-1], button="none")


def main():
    """Serves the app, uses it and writes the film."""
    code = "from stylecinegan.cli.main import main; main()"
    command = [sys.executable, "-c", code, "app", "--no-browser", "--port", "0"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "log"
        with log.open("w") as stream:
            serving = subprocess.Popen(command, stdout=stream, stderr=stream)
        try:
            while "http://" not in log.read_text():
                assert serving.poll() is None, log.read_text()
                time.sleep(0.2)
            port = int(log.read_text().split("127.0.0.1:")[1].split("/")[0])
            photo = folder / "lake.png"
            io.write_image(photo, draw_landscape(800, 1200, seed=4).image)
            with Visitor(folder, f"http://127.0.0.1:{port}/") as page:
                page.visit(*SIZE)
                film = Film(page, folder)
                use(page, film, photo)
        finally:
            serving.terminate()
            serving.wait(60)
    first, *others = film.pictures
    options = {"duration": 1000 // FPS, "loop": 0, "quality": 60, "method": 6}
    first.save(FILM, save_all=True, append_images=others, **options)
    film.still.save(STILL, quality=80, method=6)


def use(page, film, photo):
    """What is filmed."""
    drop = "document.querySelector('#drop').hidden"
    film.watch(0.8)
    page.evaluate(f"{drop} = false")
    film.watch(0.5, (620, 380))
    page.evaluate(f"{drop} = true")
    before = page.num_loops()
    page.upload(photo)
    page.wait("stylecinegan.app.session.name === 'lake' && stylecinegan.app.picture !== null")
    film.watch(0.5)
    page.wait_for_loop(before)
    film.watch(1.2)
    film.draw("stays", [(0.1, 0.14), (0.4, 0.14)])
    film.watch(0.9)
    film.draw("arrow", [(0.85, 0.3), (0.65, 0.16), (0.45, 0.28)])
    film.watch(2.4)


if __name__ == "__main__":
    main()
