"""Limitation of the gradients of a depth map."""

import torch
import torch.nn.functional as F
from torch import Tensor


def limit_slope(nearness: Tensor, steepest: float) -> Tensor:
    """Raises nearness around near objects until no gradient exceeds a limit.

    ``n'(p) = max over q of n(q) - L |p - q|`` is the smallest map above n with slopes of at most L.
    Near objects are unchanged; the background beside them is stretched, not torn.

    Args:
        nearness: n, ``[1, 1, h, w]``.
        steepest: L, per pixel along x and along y, more than 0.

    Returns:
        n', ``[1, 1, h, w]``, slightly smoothed.
    """
    limited = nearness
    while True:
        beside = F.max_pool2d(limited, (1, 3), 1, (0, 1)), F.max_pool2d(limited, (3, 1), 1, (1, 0))
        diagonal = F.max_pool2d(limited, 3, 1, 1) - 2.0**0.5 * steepest
        raised = torch.maximum(torch.maximum(*beside) - steepest, diagonal)
        if not bool((raised > limited + 1e-6).any()):
            break
        limited = torch.maximum(limited, raised)
    for _ in range(2):  # averaging does not raise a slope
        limited = F.avg_pool2d(F.pad(limited, (2, 2, 2, 2), mode="replicate"), 5, 1)
    return limited
