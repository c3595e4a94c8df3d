"""Deep Landscape (DL, Logacheva et al. 2020): a generator fine-tuned to one photo and warped."""

import logging
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from stylecinegan import StyleCineGAN
from stylecinegan.baselines.scene import FixedScene
from stylecinegan.framing import resize
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER
from stylecinegan.inputs import resize_photo
from stylecinegan.inversion.optimization import optimize_codes
from stylecinegan.warping.displacement import resize_displacement
from stylecinegan.warping.feature_warping import WarpedGenerator
from stylecinegan.warping.settings import Warping, frame_warps

logger = logging.getLogger(__name__)

Distance = Callable[[Tensor, Tensor], Tensor]

NUM_MESSAGES = 4
"""Number of progress messages of the fine-tuning."""


class DeepLandscape:
    """Inverts a photo to w+, fine-tunes the generator to it and warps its D^10.

    The encoder's codes are optimised, then all layers of a copy of the generator, with the same
    loss. D^10 is warped, and the layers after it run for every frame. Frames are not composited
    with the photo.

    Differs from the paper: its generator was trained on videos, with noise maps for static and for
    moving content; it warps these by homographies sampled from real clips, randomises them over
    time, and changes the code of the time of day. Here D^10 replaces the noise maps, and the
    motion of the scene, restricted to S, the homographies.

    Args:
        num_steps: Steps of the optimisation of the codes, and of the fine-tuning after it.
        learning_rate: Learning rate of Adam, large because layers have equalised learning rates.
        perceptual: Distance of two pictures that is added to the squared error, e.g.
            :class:`~stylecinegan.losses.perceptual.FeatureDistance`; by default none.
    """

    def __init__(
        self,
        num_steps: int = 500,
        *,
        learning_rate: float = 1e-2,
        perceptual: Distance | None = None,
    ) -> None:
        self.num_steps = num_steps
        self.learning_rate = learning_rate
        self.perceptual = perceptual

    def __repr__(self) -> str:
        name = type(self.perceptual).__name__
        return f"DeepLandscape({self.num_steps}, {self.learning_rate:g}, {name})"

    def __call__(self, model: StyleCineGAN, scene: FixedScene) -> Iterator[Tensor]:
        """Animates a photo (see :class:`Baseline`)."""
        side = model.generator.resolution
        photo = resize_photo(scene.photo, (side, side))  # the generator makes square pictures
        w_plus = model.invert(photo).w_plus if scene.w_plus is None else scene.w_plus
        w_plus = optimize_codes(
            model.generator,
            photo,
            w_plus,
            perceptual=self.perceptual,
            num_steps=self.num_steps,
        )
        generator = tune(
            model.generator,
            photo,
            w_plus,
            self.num_steps,
            learning_rate=self.learning_rate,
            perceptual=self.perceptual,
        )
        return self._render(generator, w_plus, scene)

    @torch.no_grad()
    def _render(self, generator: Generator, w_plus: Tensor, scene: FixedScene) -> Iterator[Tensor]:
        """Frames of the tuned generator with a warped D^10, at the photo's size."""
        side = generator.resolution
        settings = Warping.of_the_paper(direction="backward", warp_layers=(FEATURE_LAYER,))
        features = generator.features(w_plus)
        warped = WarpedGenerator(
            generator, features, w_plus, warp_layers=settings.warp_layers, use_folding=False
        )
        motion = resize_displacement(scene.motion * scene.mask, (side, side))
        warps = frame_warps(motion, (side, side), scene.period, settings)
        for warp in islice(warps, scene.num_frames):
            # DL makes no loop, so frame N has no weight.
            frame = warped.render(replace(warp, progress=0.0))
            size = (scene.photo.shape[2], scene.photo.shape[3])
            yield resize(frame, size).clamp(-1.0, 1.0)


def tune(
    generator: Generator,
    image: Tensor,
    w_plus: Tensor,
    num_steps: int,
    *,
    learning_rate: float = 1e-2,
    perceptual: Distance | None = None,
) -> Generator:
    """Fine-tunes a copy of a generator to one picture.

    The loss compares the picture of the to-RGB layers from D^10 on, which alone get warped
    features. The weights with the lowest loss are kept.

    Args:
        generator: The generator, which is not modified.
        image: ``[1, 3, R, R]`` in [-1, 1], of the generator's resolution.
        w_plus: Latent codes, ``[1, num_styles, style_dim]``.
        num_steps: Number of optimisation steps.
        learning_rate: Learning rate of Adam.
        perceptual: Distance of two pictures that is added to the squared error.

    Returns:
        The tuned copy, frozen.
    """
    tuned = deepcopy(generator)
    trained = [tuned.constant, *tuned.convs.parameters(), *tuned.to_rgbs.parameters()]
    for weight in trained:
        weight.requires_grad_(True)
    optimizer = torch.optim.Adam(trained, learning_rate, betas=(0.9, 0.99))
    best, kept = float("inf"), deepcopy(tuned.state_dict())
    for step in range(num_steps + 1):
        with torch.enable_grad():
            picture = tuned.render(_features_from_d10(tuned.features(w_plus)), w_plus)
            loss = (picture - image).square().mean()
            if perceptual is not None:
                loss = loss + perceptual(picture, image)
        if loss.item() < best:
            best, kept = loss.item(), deepcopy(tuned.state_dict())
        if step % max(1, num_steps // NUM_MESSAGES) == 0:
            logger.info("step %d of tuning a generator, loss %.4f", step, loss.item())
        if step < num_steps:
            optimizer.zero_grad()
            torch.autograd.backward(loss, inputs=trained)
            optimizer.step()
    tuned.load_state_dict(kept)
    return tuned.requires_grad_(False)


def _features_from_d10(features: Mapping[int, Tensor]) -> dict[int, Tensor]:
    """Deep features of D^10 and later layers."""
    return {layer: feature for layer, feature in features.items() if layer >= FEATURE_LAYER}
