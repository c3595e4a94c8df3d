"""Contestants in rendering the frames of a loop."""

import itertools
from collections import deque

import torch
from torch import Tensor

from stylecinegan.benchmarks.measurement import Contestant
from stylecinegan.benchmarks.released_procedure import ReleasedProcedure
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, layer_resolution
from stylecinegan.inversion import Inversion
from stylecinegan.pipeline import Cinemagraph, StyleCineGAN
from stylecinegan.warping.settings import Warping


@torch.no_grad()
def random_inversion(model: StyleCineGAN, photo: Tensor, seed: int = 0) -> Inversion:
    """Features of the photo's size from a random D^10; rendering takes the same time.

    Args:
        model: The model; its generator is used.
        photo: ``[1, 3, H, W]``; sides divisible by 32.
        seed: Seed of D^10.
    """
    generator = model.generator
    random = torch.Generator().manual_seed(seed)
    shrink = generator.resolution // layer_resolution(FEATURE_LAYER)
    channels = generator.channels[layer_resolution(FEATURE_LAYER)]
    size = (photo.shape[2] // shrink, photo.shape[3] // shrink)
    w_plus = torch.randn(1, generator.num_styles, generator.style_dim, generator=random).to(photo)
    feature = torch.randn(1, channels, *size, generator=random).to(photo)
    features = generator.features(w_plus, start=(FEATURE_LAYER, feature))
    return Inversion(w_plus, features, generator.render(features, w_plus).clamp(-1.0, 1.0))


def render_contestants(
    model: StyleCineGAN, photo: Tensor, mask: Tensor, motion: Tensor, num_frames: int
) -> list[Contestant]:
    """One frame: the released procedure twice, and ours unfolded, folded and with all additions.

    The fast ones render whole loops, so that times include the integration of the motion; a run of
    the slow ones is a single frame.

    Args:
        model: Its generator renders.
        photo: I, ``[1, 3, H, W]``; sides divisible by 32.
        mask: S, ``[1, 1, H, W]``.
        motion: M, ``[1, 2, H, W]``, pixels per frame.
        num_frames: N.
    """
    inversion = random_inversion(model, photo)

    def cinemagraph(warping: Warping) -> Cinemagraph:
        return model.animate(
            photo,
            num_frames,
            motion=motion,
            mask=mask,
            speed=None,
            warping=warping,
            inversion=inversion,
        )

    def next_frames(name: str, warping: Warping, *, is_baseline: bool = False) -> Contestant:
        loop = cinemagraph(warping)
        endless = itertools.chain.from_iterable(loop.frames for _ in itertools.count())
        return Contestant(name, lambda: next(endless), is_baseline=is_baseline)

    def loops(name: str, warping: Warping) -> Contestant:
        loop = cinemagraph(warping)
        return Contestant(name, lambda: deque(loop.frames, maxlen=0), units=num_frames)

    def released(name: str, *, use_compiled: bool) -> Contestant:
        procedure = ReleasedProcedure(
            model.generator,
            inversion.w_plus,
            inversion.features[FEATURE_LAYER],
            photo,
            mask,
            motion * mask,
            num_frames,
            use_compiled=use_compiled,
        )
        frames = itertools.cycle(range(num_frames))
        return Contestant(name, lambda: procedure.render(next(frames)), is_baseline=True)

    return [
        released("released procedure, splat in PyTorch", use_compiled=False),
        released("released procedure, our splat", use_compiled=True),
        next_frames("unfolded", Warping.of_the_paper(use_folding=False), is_baseline=True),
        next_frames("folded, reference", Warping.of_the_paper(backend="reference")),
        loops("folded", Warping.of_the_paper()),
        loops("folded, with all additions", Warping()),
    ]
