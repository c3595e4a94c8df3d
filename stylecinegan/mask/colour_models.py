"""Local Gaussian models of a region's colours."""

import math
from dataclasses import dataclass

import numpy as np

from stylecinegan.framing import limited_size
from stylecinegan.io import load_opencv

MODEL_SIDE = 192
"""Longer side at which the colour models are fitted."""

MOVING_OUTLIERS, STATIC_OUTLIERS = 0.02, 0.3
"""Outlier fractions of the local Gaussians; static regions have more varied colours."""

NEIGHBOURHOODS = ((0.1, 1.0), (0.3, 0.1))
"""Standard deviation of the window, as a share of the longer side, and its weight.

The wide one counts only where the narrow one holds little of the region.
"""

EVERYWHERE = 1e-5
"""Weight of the statistics of the whole picture, for pixels far from the region."""

NOISE = 0.03
"""Standard deviation that is added to every colour, of [0, 1]."""

_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


@dataclass(frozen=True)
class ColourModel:
    """Gaussian of a region's colours at every pixel.

    Attributes:
        mean: ``[h, w, 3]``.
        precision: Upper triangle of the inverse covariance, row by row, ``[h, w, 6]``.
        log_determinant: Log determinant of the covariance, ``[h, w]``.
    """

    mean: np.ndarray
    precision: np.ndarray
    log_determinant: np.ndarray

    def squared_distance(self, picture: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distance of every pixel's colour to its Gaussian.

        Args:
            picture: ``[H, W, 3]`` in [0, 1], of any size.

        Returns:
            ``[H, W]``.
        """
        size = picture.shape[:2]
        red, green, blue = np.moveaxis(picture, 2, 0) - np.moveaxis(resize(self.mean, size), 2, 0)
        precision = (resize(part, size) for part in np.moveaxis(self.precision, 2, 0))
        first, second, third, fourth, fifth, sixth = precision
        distance = red * (first * red + 2.0 * (second * green + third * blue))
        distance += green * (fourth * green + 2.0 * fifth * blue)
        return distance + sixth * blue * blue

    def log_density(self, picture: np.ndarray, outliers: float) -> np.ndarray:
        """Log density of every pixel's colour, ``log((1 - o) N(c; μ, Σ) + o)``.

        Outliers are uniformly distributed over the unit cube of colours.

        Args:
            picture: ``[H, W, 3]`` in [0, 1], of any size.
            outliers: Fraction o of outliers, in (0, 1).

        Returns:
            ``[H, W]``.
        """
        exponent = self.squared_distance(picture)
        exponent += resize(self.log_determinant, picture.shape[:2])
        exponent += 3.0 * math.log(2.0 * math.pi)
        return np.log((1.0 - outliers) * np.exp(-0.5 * exponent) + outliers)


def fit_colours(picture: np.ndarray, weights: np.ndarray) -> ColourModel:
    """Weighted mean and covariance of the colours around every pixel.

    Args:
        picture: ``[h, w, 3]``, float32 in [0, 1]; a few hundred pixels are enough.
        weights: Membership of a pixel in the region, ``[h, w]``, float32 in [0, 1].
    """
    products = [picture[..., i] * picture[..., k] for i, k in _PAIRS]
    moments = np.dstack([np.ones_like(weights), picture, *products]) * weights[..., None]
    total = EVERYWHERE * moments.mean(axis=(0, 1))
    for width, share in NEIGHBOURHOODS:
        total = total + share * _blur(moments, width * max(weights.shape))
    total /= np.maximum(total[..., :1], 1e-12)
    mean = total[..., 1:4]
    covariance = [
        total[..., 4 + number] - mean[..., i] * mean[..., k] + NOISE**2 * (i == k)
        for number, (i, k) in enumerate(_PAIRS)
    ]
    a, b, c, d, e, f = covariance
    adjugate = np.dstack(
        [d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b]
    )
    determinant = a * adjugate[..., 0] + b * adjugate[..., 1] + c * adjugate[..., 2]
    # Rounding of the moments may bring a flat region slightly below the noise's determinant.
    determinant = np.maximum(determinant, 0.1 * NOISE**6)
    return ColourModel(mean, adjugate / determinant[..., None], np.log(determinant))


def log_ratio(moving: ColourModel, static: ColourModel, picture: np.ndarray) -> np.ndarray:
    """Log ratio of the densities of every pixel's colour in the moving and the static region.

    Args:
        moving: Colours of the moving region.
        static: Colours of the static region.
        picture: ``[H, W, 3]`` in [0, 1], of any size.

    Returns:
        ``[H, W]``.
    """
    return moving.log_density(picture, MOVING_OUTLIERS) - static.log_density(
        picture, STATIC_OUTLIERS
    )


def certainty(probability: np.ndarray, power: int) -> np.ndarray:
    """Weight of a pixel in its region's colours, ``max(2 p - 1, 0)^power``, ``[h, w]``."""
    return np.clip(2.0 * probability - 1.0, 0.0, 1.0) ** power


def core_weights(probability: np.ndarray) -> np.ndarray:
    """Weight of confidently moving pixels, eroded by one pixel, as colours mix at edges."""
    return load_opencv().erode(certainty(probability, 8), np.ones((3, 3), np.uint8))


def shrink(picture: np.ndarray, side: int) -> np.ndarray:
    """Downsamples ``[h, w]`` or ``[h, w, C]`` to a longer side; never enlarges."""
    return resize(picture, limited_size(picture.shape[:2], side))


def resize(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes ``[h, w]`` or ``[h, w, C]``: area averages when shrinking, else bilinear."""
    height, width = size
    if values.shape[:2] == (height, width):
        return values
    cv2 = load_opencv()
    shrinks = height <= values.shape[0] and width <= values.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(values), (width, height), interpolation=how)


def _blur(values: np.ndarray, deviation: float) -> np.ndarray:
    """Gaussian blur of ``[h, w, C]``; a wide one is computed at a smaller size."""
    cv2 = load_opencv()
    size = values.shape[:2]
    factor = max(1, int(deviation / 3.0))
    height, width = (max(1, -(-side // factor)) for side in size)
    blurred = [
        # One channel at a time: OpenCV's filters take four at most.
        resize(
            cv2.GaussianBlur(
                resize(np.ascontiguousarray(channel), (height, width)),
                (0, 0),
                max(deviation / factor, 0.3),
                borderType=cv2.BORDER_REPLICATE,
            ),
            size,
        )
        for channel in np.moveaxis(values, 2, 0)
    ]
    return np.dstack(blurred)
