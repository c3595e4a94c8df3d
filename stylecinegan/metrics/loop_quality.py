"""Quality of a loop, measured frame by frame."""

import torch
import torch.nn.functional as F
from torch import Tensor


class LoopQuality:
    """Steps between neighbouring frames and fine detail in the moving region.

    Args:
        mask: S, ``[1, 1, H, W]``; detail is measured where it exceeds 0.9.
    """

    def __init__(self, mask: Tensor) -> None:
        self.region = (mask > 0.9).float()
        self.steps: list[float] = []
        self.details: list[float] = []
        self._first: Tensor | None = None
        self._previous: Tensor | None = None

    def add(self, frame: Tensor) -> Tensor:
        """Adds the next frame, ``[1, 3, H, W]`` in [-1, 1], and returns it."""
        if self._first is None or self._previous is None:
            self._first = frame
        else:
            self.steps.append(_step(self._previous, frame))
        self.details.append(self._detail(frame))
        self._previous = frame
        return frame

    def result(self) -> dict[str, float]:
        """Metrics after the last frame.

        Returns:
            ``closing_step_ratio``: step from the last to the first frame, divided by the largest
            step between neighbours. ``step_ratio``: largest divided by smallest step, including the
            closing one. ``detail_kept``: fine detail at mid-loop, divided by that of frame 0.
            ``least_detail_kept``: its minimum over all frames. ``largest_step`` and
            ``smallest_step``: mean absolute differences in [0, 255].
        """
        assert self._first is not None
        assert self._previous is not None
        closing = _step(self._previous, self._first)
        steps = [*self.steps, closing]
        detail = max(self.details[0], 1e-9)
        return {
            "closing_step_ratio": closing / max(max(self.steps), 1e-9),
            "step_ratio": max(steps) / max(min(steps), 1e-9),
            "detail_kept": self.details[len(self.details) // 2] / detail,
            "least_detail_kept": min(self.details) / detail,
            "largest_step": max(steps),
            "smallest_step": min(steps),
        }

    def _detail(self, frame: Tensor) -> float:
        """RMS difference, over the region, from the frame downsampled by 4 and upsampled again."""
        height, width = frame.shape[2:]
        small = F.avg_pool2d(frame, 4, ceil_mode=True, count_include_pad=False)
        size = (small.shape[2] * 4, small.shape[3] * 4)
        smooth = F.interpolate(small, size, mode="bilinear")[:, :, :height, :width]
        energy = (frame - smooth).square_().mul_(self.region).sum()
        return float(torch.sqrt(energy / (3.0 * self.region.sum().clamp(min=1.0))))


def _step(a: Tensor, b: Tensor) -> float:
    """Mean absolute difference in [0, 255]."""
    return float((a - b).abs_().mean()) * 127.5
