"""Scenes of real clips, with the mask and motion that all methods share."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from stylecinegan import StyleCineGAN, io
from stylecinegan.baselines.scene import FixedScene
from stylecinegan.data.real_motion import SMALLEST_SPEED, typical_speed
from stylecinegan.errors import InputError
from stylecinegan.motion.controls.controls import DIRECTIONS, directed_motion
from stylecinegan.motion.estimation.optical_flow import ClipMotion, estimate_motion

SPEEDS = ("own", "mean")


@dataclass(frozen=True)
class SceneSettings:
    """Mask, motion and speed of a clip's scene.

    Attributes:
        motion: ``"clip"`` for the clip's Eulerian motion, from its optical flow; ``"predicted"``
            for that of the model, from the first frame; or a word of
            :data:`~stylecinegan.motion.controls.controls.DIRECTIONS`.
        speed: ``"own"`` for the clip's speed, ``"mean"`` for the mean speed of the test set (as in
            the paper, Sec. 4.1).
        masks_dir: Folder of masks ``NAME.png``, white for moving; by default masks are predicted
            from the first frame.
        period_factor: N divided by the number of compared frames T. Loops return to frame 0 and
            clips do not; the paper, too, compares only the first 60 frames.
    """

    motion: str = "clip"
    speed: str = "mean"
    masks_dir: str | None = None
    period_factor: int = 2

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: If one is invalid.
        """
        motions = ("clip", "predicted", *DIRECTIONS)
        if self.motion not in motions:
            raise InputError(f"motion must be one of {', '.join(motions)}, got {self.motion}")
        if self.speed not in SPEEDS:
            raise InputError(f"speed must be one of {', '.join(SPEEDS)}, got {self.speed}")
        if self.period_factor < 1:
            raise InputError(f"period_factor must be at least 1, got {self.period_factor}")

    def describe(self) -> str:
        """Describes the settings for the table's title."""
        masks = "predicted masks" if self.masks_dir is None else f"masks of {self.masks_dir}"
        sources = {
            "clip": "each clip's own Eulerian motion",
            "predicted": "motion predicted from frame 0",
        }
        source = sources.get(self.motion, f"everything moved {self.motion}")
        speeds = {"own": "the clip's own speed", "mean": "the test set's mean speed"}
        return f"{masks}, {source} at {speeds[self.speed]}, N = {self.period_factor} T"


def estimate_clip_motion(frames: Tensor) -> tuple[ClipMotion, float]:
    """Estimates the motion of a clip by optical flow.

    Args:
        frames: ``[T, 3, H, W]`` in [-1, 1].

    Returns:
        The motion, and its typical speed in longer sides of the picture per frame.

    Raises:
        InputError: If the clip does not move.
    """
    clip = estimate_motion(frames.split(1), camera="static")
    speed = float(typical_speed(clip.motion[0], clip.confidence[0])) / max(clip.motion.shape[2:])
    if speed < SMALLEST_SPEED:
        raise InputError(
            f"wanted a clip that moves by {SMALLEST_SPEED:g} of its side a frame, found {speed:.1g}"
        )
    return clip, speed


def make_scene(
    model: StyleCineGAN,
    name: str,
    frames: Tensor,
    settings: SceneSettings,
    mean_speed: float | None = None,
) -> FixedScene:
    """Makes the scene of a clip: its first frame, a mask and a motion of the wanted speed.

    Args:
        model: Predicts mask and motion, where the settings ask for it.
        name: Name of the clip.
        frames: ``[T, 3, H, W]`` in [-1, 1].
        settings: Mask, motion and speed.
        mean_speed: Mean speed of the test set, in longer sides of the picture per frame; needed
            for ``speed="mean"``.

    Raises:
        InputError: If the mask is empty or the clip does not move.
    """
    photo = frames[:1]
    size = (photo.shape[2], photo.shape[3])
    clip, own_speed = estimate_clip_motion(frames)
    if settings.masks_dir is None:
        mask = model.predict_mask(photo)
    else:
        mask = io.read_mask(Path(settings.masks_dir) / f"{name}.png", size=size)
    if not bool((mask > 0.5).any()):
        raise InputError("the mask is empty")
    if settings.motion == "clip":
        motion, known = clip.motion, clip.confidence
    elif settings.motion == "predicted":
        motion, known = model.predict_motion(photo, mask), mask
    else:
        motion, known = directed_motion(settings.motion, mask), mask
    wanted_speed = own_speed if settings.speed == "own" else mean_speed
    assert wanted_speed is not None
    found_speed = float(typical_speed(motion[0], known[0])) / max(size)
    motion = motion * (wanted_speed / found_speed)
    num_frames = len(frames)
    return FixedScene(name, photo, mask, motion, num_frames, num_frames * settings.period_factor)
