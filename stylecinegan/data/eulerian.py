"""Eulerian motion data set of Holynski et al. (2021), which the paper trains motion on."""

from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from stylecinegan import io
from stylecinegan.errors import InputError
from stylecinegan.io.motion_pth import read_motion_pth


class EulerianPairs(Dataset[dict[str, Tensor]]):
    """Pairs of ``SCENE_START_input.jpg`` and ``SCENE_START_motion.pth``.

    Motion is given for every pixel, so the confidence is 1 everywhere.

    Args:
        dir: Folder ``eulerian_data``, or one of its splits.
        split: ``"train"`` or ``"validation"``; ``None`` if ``dir`` is a split already.

    Raises:
        InputError: If there is no such pair.
    """

    def __init__(self, dir: str | Path, split: str | None = None) -> None:
        self.dir = Path(dir, split or "")
        self.names = sorted(
            file.name.removesuffix("_motion.pth")
            for file in self.dir.glob("*_motion.pth")
            if self.dir.joinpath(file.name.replace("_motion.pth", "_input.jpg")).exists()
        )
        if not self.names:
            raise InputError(f"wanted pairs *_input.jpg and *_motion.pth in {self.dir}, found none")

    def __len__(self) -> int:
        """Returns the number of pairs."""
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Reads a pair.

        Returns:
            ``image`` ``[3, H, W]`` in [-1, 1], ``motion`` ``[2, H, W]`` in pixels per frame,
            ``confidence`` ``[1, H, W]``, all 1.

        Raises:
            InputError: If a file is damaged or the two do not fit.
        """
        base = self.dir / self.names[index]
        image = io.read_image(f"{base}_input.jpg")[0]
        motion = read_motion_pth(f"{base}_motion.pth")[0]
        if image.shape[1:] != motion.shape[1:]:
            raise InputError(
                f"motion must be {list(image.shape[1:])} as {base}_input.jpg, "
                f"got {list(motion.shape[1:])}"
            )
        return {"image": image, "motion": motion, "confidence": torch.ones_like(motion[:1])}

    def video(self, index: int) -> Path:
        """Path of a pair's clip of 60 frames, the first of which is the image."""
        return self.dir / f"{self.names[index]}_gt.mp4"
