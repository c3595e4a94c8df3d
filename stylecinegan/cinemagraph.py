"""A looping video of one photo."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import Tensor

from stylecinegan.inversion import Inversion


@dataclass(frozen=True)
class Cinemagraph:
    """A looping video that is computed frame by frame as it is read.

    Attributes:
        num_frames: N; frame N would be frame 0 again.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        motion: M times S, ``[1, 2, H, W]``, pixels per frame of the photo.
    """

    num_frames: int
    photo: Tensor
    mask: Tensor
    motion: Tensor
    _invert: Callable[[], Inversion] = field(repr=False)
    _render: Callable[[], Iterator[Tensor]] = field(repr=False)

    @property
    def inversion(self) -> Inversion:
        """The photo in the generator's terms; computed when it is first read or rendered from."""
        return self._invert()

    @property
    def frames(self) -> Iterator[Tensor]:
        """A fresh pass over the frames, ``[1, 3, H, W]`` in [-1, 1], one in memory at a time."""
        return self._render()
