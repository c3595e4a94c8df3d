"""Pairs of an image and its Eulerian motion, in the layout of data/README.md."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stylecinegan import io
from stylecinegan.errors import InputError
from stylecinegan.io.paths import replacing, reporting_write_errors
from stylecinegan.motion.estimation.optical_flow import ClipMotion

MOTION_ENDING = "_motion.npz"
REFUSED_ENDING = "_refused.txt"
SETTINGS_FILE = "settings.json"


class MotionPairs(Dataset[dict[str, Tensor]]):
    """Pairs of an image and its motion, as :func:`write_pair` writes them.

    Args:
        dir: Folder of ``NAME.png`` and ``NAME_motion.npz``, at any depth.

    Raises:
        InputError: If there is no such pair.
    """

    def __init__(self, dir: str | Path) -> None:
        self.dir = Path(dir)
        self.names = sorted(
            file.relative_to(self.dir).as_posix().removesuffix(MOTION_ENDING)
            for file in self.dir.rglob("*" + MOTION_ENDING)
        )
        if not self.names:
            raise InputError(f"wanted NAME.png and NAME{MOTION_ENDING} in {dir}, found none")

    def __len__(self) -> int:
        """Returns the number of pairs."""
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Reads a pair.

        Returns:
            ``image`` ``[3, H, W]`` in [-1, 1], ``motion`` ``[2, H, W]`` in pixels per frame,
            ``confidence`` ``[1, H, W]`` in [0, 1].

        Raises:
            InputError: If a file is damaged or the two do not fit.
        """
        base = self.dir / self.names[index]
        image = io.read_image(f"{base}.png")
        file = Path(f"{base}{MOTION_ENDING}")
        motion = io.read_motion(file)
        try:
            with np.load(file, allow_pickle=False) as arrays:
                confidence = torch.from_numpy(arrays["confidence"])[None].float() / 255.0
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(f"cannot read {file}: its confidence is missing or damaged") from error
        if not image.shape[2:] == motion.shape[2:] == confidence.shape[1:]:
            raise InputError(
                f"motion and confidence must be {list(image.shape[2:])} as {base}.png, got "
                f"{list(motion.shape[2:])} and {list(confidence.shape[1:])}"
            )
        return {"image": image[0], "motion": motion[0], "confidence": confidence}


def pair_of(clip: ClipMotion) -> dict[str, Tensor]:
    """Converts a clip's motion to a sample of a motion data set.

    Returns:
        ``image`` ``[3, H, W]``, ``motion`` ``[2, H, W]``, ``confidence`` ``[1, H, W]``.
    """
    return {
        "image": clip.image[0],
        "motion": clip.motion[0],
        "confidence": clip.confidence[0],
    }


def is_finished(dir: str | Path, name: str) -> bool:
    """Whether a clip has been processed: its motion (written last) or its refusal exists."""
    return any(Path(dir, name + ending).exists() for ending in (MOTION_ENDING, REFUSED_ENDING))


def write_pair(dir: str | Path, name: str, motion: ClipMotion, source: str) -> None:
    """Writes a pair atomically.

    Args:
        dir: Folder; created if missing.
        name: Name of the pair.
        motion: The motion, written in half precision.
        source: Path of the clip, stored in the file.

    Raises:
        InputError: If it cannot be written.
    """
    base = Path(dir, name)
    io.write_image(f"{base}.png", motion.image)
    file = f"{base}{MOTION_ENDING}"
    confidence = (motion.confidence[0, 0] * 255.0).round().to(torch.uint8)
    with replacing(file, (".npz",)) as temporary, reporting_write_errors(file):
        np.savez_compressed(
            temporary,
            motion=motion.motion[0].numpy().astype(np.float16),
            confidence=confidence.numpy(),
            source=np.array(source),
        )


def write_refusal(dir: str | Path, name: str, reason: str) -> None:
    """Records why a clip gives no pair, so that it is not processed again.

    Raises:
        InputError: If it cannot be written.
    """
    _write_text(Path(dir, name + REFUSED_ENDING), reason + "\n")


def check_settings(dir: str | Path, settings: Mapping[str, object]) -> None:
    """Checks that the pairs in a folder were made with these settings; records them if it is new.

    Raises:
        InputError: If its pairs were made with other settings.
    """
    file = Path(dir, SETTINGS_FILE)
    wanted = json.dumps(dict(settings), sort_keys=True, indent=2) + "\n"
    if file.exists():
        if file.read_text(encoding="utf-8") != wanted:
            raise InputError(
                f"the pairs in {dir} were made with other settings, see {SETTINGS_FILE}: "
                "name another folder, or delete it"
            )
        return
    _write_text(file, wanted)


def _write_text(file: Path, text: str) -> None:
    with replacing(file, (file.suffix,)) as temporary, reporting_write_errors(file):
        temporary.write_text(text, encoding="utf-8")
