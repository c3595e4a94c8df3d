"""Eulerian motion of a video: optical flow of neighbouring frames, averaged over time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.io import load_opencv, to_uint8
from stylecinegan.motion.estimation.camera import stabilize

Camera = Literal["checked", "static"]

FEWEST_FRAMES = 4

SMALL_FLOW = 0.05
"""Pixels per frame below which the direction of a flow is noise."""

NOISE_GRADIENT = 2.0
"""Gradient due to compression noise, in grey levels per pixel."""

SLOW_FLOW = 1.0
"""Displacement, in pixels, below which the sampling interval is longer than a frame.

DIS is accurate to about a tenth of a pixel.
"""

LARGEST_GAP = 8
"""Longest sampling interval, in frames."""

REPEATED = 0.15
"""Change from the previous frame, relative to the clip's upper quartile, up to which a frame is a
repetition."""


@dataclass(frozen=True)
class ClipMotion:
    """Motion estimated from a clip.

    Attributes:
        image: First frame, ``[1, 3, H, W]`` in [-1, 1].
        motion: M, ``[1, 2, H, W]``, pixels per frame.
        confidence: Reliability of the motion, ``[1, 1, H, W]`` in [0, 1].
    """

    image: Tensor
    motion: Tensor
    confidence: Tensor


def estimate_motion(frames: Iterable[Tensor], *, camera: Camera = "checked") -> ClipMotion:
    """Estimates the Eulerian motion of a clip.

    Dense inverse search (DIS) estimates the flow between neighbouring frames. It is averaged over
    time without outliers from the median and without vectors that fail the forward-backward check.
    Confidence is high where the flow is consistent over time and forward and backward, and the
    picture has texture; this includes textured static pixels.

    Args:
        frames: Images ``[1, 3, H, W]`` in [-1, 1], of one size; one second or two.
        camera: ``"checked"`` requires static content and removes small shakes; ``"static"``
            assumes a static camera without a check.

    Returns:
        First frame, motion and confidence. Repeated frames are ignored: motion is per distinct
        frame.

    Raises:
        InputError: If there are fewer than four distinct frames, or the camera moves.
    """
    if camera not in ("checked", "static"):
        raise InputError(f"camera must be checked or static, got {camera}")
    first, grey = _read(frames)
    coverage = np.ones(grey[0].shape, np.float32)
    if camera == "checked":
        grey, coverage = stabilize(grey)
    flow, agrees = dense_flow(grey, gap=_choose_gap(grey))
    motion, confidence = average_over_time(flow, agrees)
    confidence *= coverage * _texture(grey)
    return ClipMotion(
        first, torch.from_numpy(motion)[None], torch.from_numpy(confidence)[None, None]
    )


def dense_flow(frames: Sequence[np.ndarray], gap: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Computes the flow from each frame to the one ``gap`` later.

    Args:
        frames: Grey, ``[H, W]``, uint8.
        gap: Sampling interval, in frames.

    Returns:
        Flow per frame, ``[T, 2, H, W]``, (x, y) in pixels, and the forward-backward check,
        boolean ``[T, H, W]``.
    """
    cv2 = load_opencv()
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    height, width = frames[0].shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    flows, agreements = [], []
    for first, second in zip(frames[:-gap], frames[gap:], strict=True):
        forth, back = search.calc(first, second, None), search.calc(second, first, None)
        back = cv2.remap(
            back, x + forth[..., 0], y + forth[..., 1], cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        error = np.linalg.norm(forth + back, axis=-1)
        length = np.linalg.norm(forth, axis=-1) + np.linalg.norm(back, axis=-1)
        agreements.append(error <= 0.3 + 0.1 * length)
        flows.append(forth.transpose(2, 0, 1) / gap)
    return np.stack(flows), np.stack(agreements)


def average_over_time(flow: np.ndarray, agrees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Averages flows over time without outliers.

    Args:
        flow: ``[T, 2, H, W]``, pixels per frame.
        agrees: Reliable vectors, boolean ``[T, H, W]``.

    Returns:
        Motion ``[2, H, W]``, and confidence ``[H, W]`` in [0, 1]: length of the mean divided by the
        mean length, times the fraction of vectors that are averaged.
    """
    cv2 = load_opencv()
    median = np.median(flow, axis=0)
    distance = np.linalg.norm(flow - median, axis=1)  # [T, H, W]
    # 1.48 turns a median absolute deviation into the standard deviation of normal noise.
    usual = 1.48 * np.median(distance, axis=0)
    weight = (agrees & (distance <= 3.0 * usual + SMALL_FLOW)).astype(np.float32)
    total = np.maximum(weight.sum(axis=0), 1.0)
    mean = (flow * weight[:, None]).sum(axis=0) / total
    length = (np.linalg.norm(flow, axis=1) * weight).sum(axis=0) / total
    coherence = (np.linalg.norm(mean, axis=0) + SMALL_FLOW) / (length + SMALL_FLOW)
    confidence = coherence * weight.mean(axis=0)
    # A median filter removes isolated outliers.
    mean = np.stack([cv2.medianBlur(part.astype(np.float32), 5) for part in mean])
    return mean, np.clip(confidence, 0.0, 1.0).astype(np.float32)


def _read(frames: Iterable[Tensor]) -> tuple[Tensor, list[np.ndarray]]:
    """Reads the first image and the distinct frames, grey, ``[H, W]``, uint8."""
    cv2 = load_opencv()
    first, grey = None, []
    for image in frames:
        first = image if first is None else first
        if image.shape != first.shape:
            raise InputError("wanted frames of one size, found several sizes in one clip")
        grey.append(cv2.cvtColor(to_uint8(image).numpy(), cv2.COLOR_RGB2GRAY))
    grey = [grey[index] for index in find_distinct(grey)]
    if first is None or len(grey) < FEWEST_FRAMES:
        raise InputError(f"wanted at least {FEWEST_FRAMES} different frames, found {len(grey)}")
    return first, grey


def find_distinct(frames: Sequence[np.ndarray]) -> list[int]:
    """Indices of the frames that do not repeat the previous one.

    Clips that were converted to another frame rate have repeated frames.

    Args:
        frames: ``[H, W]`` or ``[H, W, 3]``, uint8.
    """
    cv2 = load_opencv()
    changes = [cv2.absdiff(*pair).mean() for pair in pairwise(frames)]
    usual = np.quantile(changes or [0.0], 0.75)
    kept = list(range(len(frames)))[:1]
    for number in range(1, len(frames)):
        if cv2.absdiff(frames[kept[-1]], frames[number]).mean() > REPEATED * usual:
            kept.append(number)
    return kept


def _choose_gap(frames: Sequence[np.ndarray]) -> int:
    """Sampling interval of the frame pairs, longer for slow clips, whose flow is near the noise."""
    pairs = np.linspace(0, len(frames) - 2, min(5, len(frames) - 1)).astype(int)
    flow = np.mean([dense_flow(frames[start : start + 2])[0][0] for start in pairs], axis=0)
    # A high quantile, since a waterfall may be a small part of the picture.
    fast = float(np.quantile(np.linalg.norm(flow, axis=0), 0.98))
    longest = min(LARGEST_GAP, len(frames) // 4)
    return int(np.clip(np.ceil(SLOW_FLOW / max(fast, 1e-6)), 1, longest))


def _texture(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Amount of texture around each pixel, ``[H, W]`` in [0, 1)."""
    cv2 = load_opencv()
    middle = frames[len(frames) // 2].astype(np.float32)
    x, y = cv2.Sobel(middle, cv2.CV_32F, 1, 0), cv2.Sobel(middle, cv2.CV_32F, 0, 1)
    energy = cv2.GaussianBlur((x * x + y * y) / 64.0, (0, 0), 5.0)
    return energy / (energy + NOISE_GRADIENT**2)
