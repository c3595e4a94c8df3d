"""A looping video of one photo."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import Tensor

from stylecinegan.camera import Camera
from stylecinegan.inversion import Inversion


@dataclass(frozen=True)
class Cinemagraph:
    """A looping video whose frames are computed when they are read.

    Attributes:
        num_frames: N; frame N would be frame 0 again.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        mask: S, ``[1, 1, H, W]`` in [0, 1].
        motion: M times S, ``[1, 2, H, W]``, pixels per frame of the photo.
        camera: The camera's move, ``None`` for a static camera.
    """

    num_frames: int
    photo: Tensor
    mask: Tensor
    motion: Tensor
    _invert: Callable[[], Inversion] = field(repr=False)
    _render: Callable[[], Iterator[Tensor]] = field(repr=False)
    camera: Camera | None = None

    @property
    def inversion(self) -> Inversion:
        """Inversion of the photo, computed on demand."""
        return self._invert()

    @property
    def frames(self) -> Iterator[Tensor]:
        """Iterator over the frames, ``[1, 3, H, W]`` in [-1, 1], one in memory at a time."""
        return (self.reproject(image, frame) for frame, image in enumerate(self.steady_frames))

    @property
    def steady_frames(self) -> Iterator[Tensor]:
        """Iterator over the frames without the camera's move."""
        return self._render()

    def reproject(self, image: Tensor, frame: int) -> Tensor:
        """Reprojects a map of the photo to the camera of a frame.

        Args:
            image: ``[1, C, H, W]`` in [-1, 1].
            frame: Number of the frame.
        """
        return (
            image if self.camera is None else self.camera.reproject(image, frame, self.num_frames)
        )
