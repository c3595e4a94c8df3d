"""Recall and precision of predicted masks on composited static objects."""

import numpy as np

from stylecinegan.io import load_opencv

WIDTHS: dict[str, tuple[int, int | None]] = {
    "1-2 px": (1, 2),
    "3-5 px": (3, 5),
    "6-12 px": (6, 12),
    "over 12 px": (13, None),
}
"""Bins of local width, in pixels of a photo whose longer side is 1024."""

TOLERANCE = 0.006
"""Width of the margin that counts as part of an object, as a fraction of the longer side."""


class CompositeQuality:
    """Recall by local width, and precision, of static pixels on composited objects.

    Let A be the moving region of the photo's mask (above 0.5), B the static region of the
    composite's mask (below 0.25) and T the object (alpha above 0.5). Recall is
    ``|A ∩ B ∩ T| / |A ∩ T|``, precision the fraction of A ∩ B on the object or within
    :data:`TOLERANCE` of it.
    """

    def __init__(self) -> None:
        self._kept = dict.fromkeys(WIDTHS, 0)
        self._total = dict.fromkeys(WIDTHS, 0)
        self._near = 0
        self._static = 0

    def add(self, alpha: np.ndarray, before: np.ndarray, after: np.ndarray) -> None:
        """Adds a composite.

        Args:
            alpha: Coverage by the object, ``[H, W]`` in [0, 1].
            before: Mask of the photo, ``[H, W]`` in [0, 1].
            after: Mask of the composite, ``[H, W]`` in [0, 1].
        """
        cv2 = load_opencv()
        longer = max(alpha.shape)
        covered = alpha > 0.5
        moves, static = before > 0.5, after < 0.25
        for name, inside in split_by_width(covered).items():
            counted = inside & moves
            self._total[name] += int(counted.sum())
            self._kept[name] += int((counted & static).sum())
        outside = (alpha <= 0.05).astype(np.uint8)
        distance = cv2.distanceTransform(outside, cv2.DIST_L2, 5)
        became_static = static & moves
        self._static += int(became_static.sum())
        self._near += int((became_static & (distance <= TOLERANCE * longer)).sum())

    def result(self) -> dict[str, float]:
        """Recall of each bin of widths, and precision, in [0, 1]; NaN without such pixels."""
        figures = {f"recall {name}": _ratio(self._kept[name], self._total[name]) for name in WIDTHS}
        wide = [name for name in WIDTHS if name != "1-2 px"]
        figures["recall 3 px and wider"] = _ratio(
            sum(self._kept[name] for name in wide), sum(self._total[name] for name in wide)
        )
        figures["precision"] = _ratio(self._near, self._static)
        return figures


def split_by_width(region: np.ndarray) -> dict[str, np.ndarray]:
    """Splits a region into the bins of :data:`WIDTHS` by its local width.

    A pixel is at least w wide if an opening of the region by a disc of diameter w keeps it.

    Args:
        region: Boolean, ``[H, W]``; it is continued beyond the picture's border.

    Returns:
        Boolean ``[H, W]`` by bin; together they are the region.
    """
    cv2 = load_opencv()
    scale = max(region.shape) / 1024.0
    bins: dict[str, np.ndarray] = {}
    rest = region
    for name, (least, _) in reversed(WIDTHS.items()):
        side = max(1, round(least * scale))
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        padded = np.pad(region.astype(np.uint8), side, mode="edge")
        # A disc of even side has no centre pixel; a mirrored one in the dilation undoes the shift.
        middle = side // 2
        eroded = cv2.erode(padded, disc, anchor=(middle, middle))
        mirrored = (side - 1 - middle, side - 1 - middle)
        opened = cv2.dilate(eroded, disc[::-1, ::-1].copy(), anchor=mirrored) > 0
        opened = opened[side:-side, side:-side]
        bins[name] = rest & opened
        rest = rest & ~opened
    return bins


def _ratio(part: int, total: int) -> float:
    return part / total if total else float("nan")
