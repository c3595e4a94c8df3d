"""Text2Cinemagraph (T2C, Mahapatra et al. 2023)."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from stylecinegan import StyleCineGAN
from stylecinegan.baselines.emf.method import EMF
from stylecinegan.baselines.scene import FixedScene
from stylecinegan.data.real_motion import typical_speed
from stylecinegan.motion.controls.controls import DIRECTIONS, controlled_motion


class Text2Cinemagraph:
    """Motion controlled by a mask and a text, and symmetric splatting of deep features.

    This is the pipeline of the method, **not** its networks: motion is predicted from the photo,
    rotated to the direction of a text and restricted to the mask; features are splatted and
    decoded. T2C generates an artistic picture and a realistic twin with one diffusion model, and
    takes mask and motion from the twin, which a photo does not need. Its motion network is
    conditioned on mask and text; here the text rotates our network's prediction. Rendering is that
    of :class:`EMF`.

    Args:
        text: See :func:`~stylecinegan.motion.controls.text.parse_text`; by default the mean
            direction of the scene's motion.
        weights: See :class:`EMF`.

    Raises:
        InputError: If the file of the weights is missing or damaged.
    """

    def __init__(self, text: str | None = None, weights: str | Path | None = None) -> None:
        self.text = text
        self.renderer = EMF(weights)

    def __repr__(self) -> str:
        return f"Text2Cinemagraph({self.text!r}, {self.renderer!r})"

    def __call__(self, model: StyleCineGAN, scene: FixedScene) -> Iterator[Tensor]:
        """Animates a photo at the scene's speed (see :class:`Baseline`).

        Raises:
            InputError: If the model has no motion generator, or the text names a region that is
                not in the photo.
        """
        has_classes = model.mask_ensemble is not None
        classes = model.segment(scene.photo).classes if has_classes else None
        motion = controlled_motion(
            model.predict_motion(scene.photo, scene.mask, classes),
            scene.mask,
            classes and classes.vote,
            text=self.text or describe_direction(scene.motion * scene.mask),
            speed=None,
        )
        motion = motion * scene.mask
        speed = typical_speed(motion[0], scene.mask[0])
        wanted = typical_speed((scene.motion * scene.mask)[0], scene.mask[0])
        return self.renderer.animate(scene, motion * (wanted / speed))


def describe_direction(motion: Tensor) -> str:
    """Describes the mean direction of a motion, ``[1, 2, H, W]``: "everything flows down-right"."""
    total = motion[0].sum(dim=(1, 2))
    vectors = torch.tensor(list(DIRECTIONS.values())).to(total)
    nearest = int((vectors / vectors.norm(dim=1, keepdim=True) @ total).argmax())
    return f"everything flows {list(DIRECTIONS)[nearest]}"
