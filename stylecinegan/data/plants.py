"""Procedural silhouettes of branches, foliage and trees."""

import numpy as np

from stylecinegan.data.coverage_canvas import Canvas


def branch(canvas: Canvas, random: np.random.Generator, width: float) -> None:
    """A bare branch that enters from a border."""
    _grow(canvas, random, *_entry(canvas, random), width, leaves=0.0)


def foliage(canvas: Canvas, random: np.random.Generator, width: float) -> None:
    """A branch with leaves or needles that enters from a border."""
    start, angle = _entry(canvas, random)
    _grow(canvas, random, start, angle, max(1.0, 0.6 * width), leaves=random.uniform(1.5, 5.0))


def tree(canvas: Canvas, random: np.random.Generator, width: float) -> None:
    """A tree from the ground, bare or in leaf."""
    height, side = canvas.size
    start = (random.uniform(0.05, 0.95) * side, float(height))
    leaves = 0.0 if random.random() < 0.6 else random.uniform(1.0, 3.0)
    _grow(canvas, random, start, -np.pi / 2, 1.5 * width, leaves=leaves)


def _entry(canvas: Canvas, random: np.random.Generator) -> tuple[tuple[float, float], float]:
    """A point on the left, right or upper border, and an angle inwards."""
    height, side = canvas.size
    border = random.integers(3)
    if border == 0:
        return (0.0, random.uniform(0.0, 0.7) * height), random.normal(0.0, 0.5)
    if border == 1:
        return (float(side), random.uniform(0.0, 0.7) * height), np.pi + random.normal(0.0, 0.5)
    return (random.uniform(0.0, 1.0) * side, 0.0), np.pi / 2 + random.normal(0.0, 0.6)


def _grow(
    canvas: Canvas,
    random: np.random.Generator,
    start: tuple[float, float],
    angle: float,
    width: float,
    *,
    leaves: float,
) -> None:
    """Grows a branch that forks, each fork thinner; ``leaves`` is a leaf's length in widths."""
    stems = [(start, angle, max(width, 1.0) * 2.0, random.uniform(0.15, 0.35) * canvas.size[0], 0)]
    while stems:
        (x, y), angle, thick, length, depth = stems.pop()
        for _ in range(4):
            angle += random.normal(0.0, 0.15)
            end = (x + np.cos(angle) * length / 4, y + np.sin(angle) * length / 4)
            canvas.line((x, y), end, thick)
            x, y = end
            if leaves and depth > 0:
                for _ in range(3):
                    size = leaves * max(width, 1.0) * random.uniform(0.7, 1.6)
                    spread = random.normal(0.0, size, 2)
                    canvas.ellipse(
                        (x + spread[0], y + spread[1]),
                        (size, 0.35 * size),
                        random.uniform(0, np.pi),
                    )
            if depth < 4 and len(stems) < 60:
                fork = angle + random.choice([-1, 1]) * random.uniform(0.3, 0.9)
                stems.append(
                    (
                        (x, y),
                        fork,
                        max(0.6 * thick, 0.7),
                        random.uniform(0.5, 0.75) * length,
                        depth + 1,
                    )
                )
