"""Frames of a loop, several of which are rendered at once."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from typing import TypeVar

import torch
from torch import Tensor

from stylecinegan.threads import thread_pool

Still = TypeVar("Still")

MOST_AT_ONCE = 4
"""Frames that are rendered at once at most, with two or more cores each on large machines."""

LARGEST_AT_ONCE = 2_500_000
"""Pixels of a frame above which one is rendered at a time, by all cores: it takes much memory."""


def render_ahead(
    stills: Iterable[Still], render: Callable[[Still], Tensor], num_at_once: int
) -> Generator[Tensor, None, None]:
    """Yields rendered frames in order while the next ones are being rendered.

    Args:
        stills: What each frame is rendered from; taken in the caller's thread.
        render: Renders one; called in several threads at once, without gradients.
        num_at_once: Frames that are rendered at once, each on its share of the cores.
    """

    @torch.no_grad()
    def render_one(still: Still) -> Tensor:
        return render(still)

    if num_at_once == 1:
        yield from map(render_one, stills)
        return
    num_cores = max(1, torch.get_num_threads() // num_at_once)
    with thread_pool(num_at_once, "frame", num_cores=num_cores) as pool:
        rendered: deque[Future[Tensor]] = deque()
        for still in stills:
            rendered.append(pool.submit(render_one, still))
            if len(rendered) > num_at_once:
                yield rendered.popleft().result()
        while rendered:
            yield rendered.popleft().result()


def choose_num_at_once(photo: Tensor) -> int:
    """Number of frames to render at once.

    A frame is a few dozen short parallel operations, between which cores wait for each other. On
    a GPU operations are queued anyway.

    Args:
        photo: ``[1, 3, H, W]``, of the frames' size and device.
    """
    if photo.device.type != "cpu" or photo[0, 0].numel() > LARGEST_AT_ONCE:
        return 1
    return min(torch.get_num_threads(), MOST_AT_ONCE)
