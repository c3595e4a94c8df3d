"""Procedural silhouettes of thin and small static objects."""

from collections.abc import Callable

import numpy as np

from stylecinegan.data.coverage_canvas import Canvas
from stylecinegan.data.plants import branch, foliage, tree


def mast(canvas: Canvas, random: np.random.Generator, width: float) -> None:
    """A pole from the ground, at times with yards, or with the lamp of a street light."""
    height, side = canvas.size
    x, top = random.uniform(0.05, 0.95) * side, random.uniform(0.05, 0.6) * height
    lean = random.normal(0.0, 0.01) * side
    canvas.line((x, height), (x + lean, top), width)
    kind = random.random()
    if kind < 0.3:
        for _ in range(random.integers(1, 4)):
            y, reach = random.uniform(top, 0.7 * height), random.uniform(0.01, 0.06) * side
            canvas.line((x - reach, y), (x + reach, y), max(1.0, 0.6 * width))
    elif kind < 0.6:
        reach = random.choice([-1, 1]) * random.uniform(0.02, 0.06) * side
        canvas.line((x + lean, top), (x + lean + reach, top - 0.2 * abs(reach)), 0.8 * width)
        canvas.ellipse((x + lean + reach, top), (1.5 * width, width), 0.0)


def spire(canvas: Canvas, random: np.random.Generator, width: float) -> None:
    """A tower with a pointed or domed roof and a thin tip of the given width."""
    height, side = canvas.size
    x, half = random.uniform(0.1, 0.9) * side, random.uniform(0.01, 0.07) * side
    eaves = random.uniform(0.35, 0.8) * height
    tip = eaves - half * random.uniform(1.5, 6.0)
    canvas.polygon([(x - half, height), (x - half, eaves), (x + half, eaves), (x + half, height)])
    if random.random() < 0.7:
        reach = width / 2
        canvas.polygon([(x - half, eaves), (x - reach, tip), (x + reach, tip), (x + half, eaves)])
    else:
        canvas.ellipse((x, eaves), (half, 1.2 * half), 0.0)
        tip = eaves - 1.2 * half
    canvas.line((x, tip + 1.0), (x, tip - random.uniform(2.0, 8.0) * width), width)


def pinnacles(canvas: Canvas, random: np.random.Generator, width: float) -> None:
    """A wall with a row of small spires."""
    height, side = canvas.size
    left, right = sorted(random.uniform(0.0, 1.0, 2) * side)
    wall = random.uniform(0.4, 0.8) * height
    canvas.polygon([(left, height), (left, wall), (right, wall), (right, height)])
    for x in np.arange(left, right, max(4.0 * width, random.uniform(0.03, 0.1) * side)):
        top = wall - random.uniform(3.0, 8.0) * width
        canvas.polygon([(x - width, wall), (x, top), (x + width, wall)])


def wires(canvas: Canvas, random: np.random.Generator, width: float) -> None:
    """Hanging wires from border to border."""
    height, side = canvas.size
    y, drop = random.uniform(0.05, 0.6) * height, random.normal(0.0, 0.2) * height
    sag, x = random.uniform(0.0, 0.12) * height, np.linspace(-1.0, side + 1.0, 40)
    for wire in range(random.integers(1, 5)):
        share = x / side
        line = y + wire * random.uniform(3.0, 9.0) * width + drop * share
        line = line + 4.0 * sag * share * (1.0 - share)
        for k in range(len(x) - 1):
            canvas.line((x[k], line[k]), (x[k + 1], line[k + 1]), width)


def railing(canvas: Canvas, random: np.random.Generator, width: float) -> None:
    """Posts and rails across the picture."""
    height, side = canvas.size
    top, tall = random.uniform(0.3, 0.9) * height, random.uniform(0.06, 0.25) * height
    slope = random.normal(0.0, 0.08)
    step = max(3.0 * width, random.uniform(0.015, 0.12) * side)
    for rail in range(random.integers(1, 4)):
        y = top + rail * tall / 3.0
        canvas.line((0.0, y), (side, y + slope * side), width)
    for x in np.arange(random.uniform(0.0, step), side, step):
        canvas.line((x, top + slope * x), (x, top + tall + slope * x), width)


def crane(canvas: Canvas, random: np.random.Generator, width: float) -> None:
    """A tower crane with a latticed jib and stays."""
    height, side = canvas.size
    x, top = random.uniform(0.2, 0.8) * side, random.uniform(0.1, 0.5) * height
    reach = random.choice([-1, 1]) * random.uniform(0.15, 0.45) * side
    peak = (x, top - 0.1 * abs(reach))
    canvas.line((x, height), peak, 2.0 * width)
    canvas.line((x - 0.35 * reach, top), (x + reach, top), width)
    for end in (x + 0.8 * reach, x - 0.3 * reach):
        canvas.line(peak, (end, top), max(1.0, 0.5 * width))
    canvas.line((x + 0.7 * reach, top), (x + 0.7 * reach, top + 0.2 * height), 0.5 * width)


def person(canvas: Canvas, random: np.random.Generator, width: float) -> None:
    """People on the ground; ``width`` is that of a leg."""
    height, side = canvas.size
    ground = random.uniform(0.6, 1.0) * height
    for _ in range(random.integers(1, 4)):
        x = random.uniform(0.05, 0.95) * side
        hip, neck = ground - 7.0 * width, ground - 13.0 * width
        for stride in (-1.0, 1.0):
            canvas.line((x, hip), (x + 1.2 * stride * width, ground), width)
            canvas.line((x, neck), (x + 2.0 * stride * width, hip), 0.8 * width)
        canvas.line((x, hip), (x, neck), 2.6 * width)
        canvas.ellipse((x, neck - 1.6 * width), (1.2 * width, 1.5 * width), 0.0)


def bridge(canvas: Canvas, random: np.random.Generator, width: float) -> None:
    """A suspension bridge: deck, pylons, cables and hangers of the given width."""
    height, side = canvas.size
    deck, tall = random.uniform(0.5, 0.85) * height, random.uniform(0.15, 0.4) * height
    first, second = random.uniform(0.1, 0.4) * side, random.uniform(0.6, 0.9) * side
    canvas.line((-1.0, deck), (side + 1.0, deck), 2.0 * width)
    for x in (first, second):
        canvas.line((x, min(height, deck + 0.2 * height)), (x, deck - tall), 2.5 * width)
    x = np.linspace(0.0, side, 41)
    middle, half = (first + second) / 2.0, (second - first) / 2.0
    y = deck - tall * np.minimum(((x - middle) / half) ** 2, 2.0 - np.abs(x - middle) / half)
    y = np.minimum(y, deck)
    for k in range(40):
        canvas.line((x[k], y[k]), (x[k + 1], y[k + 1]), width)
        canvas.line((x[k], y[k]), (x[k], deck), max(1.0, 0.5 * width))


def boat(canvas: Canvas, random: np.random.Generator, width: float) -> None:
    """A sailing boat: hull, mast, boom and rigging of the given width."""
    height, side = canvas.size
    x, y = random.uniform(0.15, 0.85) * side, random.uniform(0.5, 0.95) * height
    half = random.uniform(0.04, 0.15) * side
    canvas.polygon(
        [
            (x - half, y),
            (x + half, y),
            (x + 0.8 * half, y + 0.3 * half),
            (x - 0.7 * half, y + 0.3 * half),
        ]
    )
    top = y - random.uniform(1.5, 3.0) * half
    canvas.line((x, y), (x, top), 1.5 * width)
    canvas.line((x, y - 0.2 * half), (x + 0.9 * half, y - 0.25 * half), width)
    for end in (x - half, x + half):
        canvas.line((x, top), (end, y), max(0.7, 0.5 * width))


OBJECTS: dict[str, Callable[[Canvas, np.random.Generator, float], None]] = {
    silhouette.__name__: silhouette
    for silhouette in (
        mast,
        spire,
        pinnacles,
        wires,
        railing,
        crane,
        branch,
        foliage,
        tree,
        person,
        bridge,
        boat,
    )
}
"""Silhouettes by name; ``width``, in pixels, is that of their thin parts."""


def draw_object(
    height: int,
    width: int,
    random: np.random.Generator,
    *,
    thickness: float,
    name: str | None = None,
) -> np.ndarray:
    """Draws a static object.

    Args:
        height: Height of the picture in pixels.
        width: Its width.
        random: Decides everything that is not given.
        thickness: Width of the object's thin parts, in pixels.
        name: A key of :data:`OBJECTS`; any by default.

    Returns:
        Alpha, float32 ``[H, W]`` in [0, 1].
    """
    name = name or str(random.choice(sorted(OBJECTS)))
    canvas = Canvas(height, width)
    OBJECTS[name](canvas, random, thickness)
    return canvas.alpha()
