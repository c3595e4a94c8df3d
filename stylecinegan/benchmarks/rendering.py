"""Implementations of the rendering of a loop to compare."""

import itertools
from collections import deque

import torch
from torch import Tensor

from stylecinegan.benchmarks.measurement import Candidate
from stylecinegan.benchmarks.released_procedure import ReleasedProcedure
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, layer_resolution
from stylecinegan.inversion import Inversion
from stylecinegan.pipeline import Cinemagraph, StyleCineGAN
from stylecinegan.warping.settings import Warping


@torch.no_grad()
def random_inversion(model: StyleCineGAN, photo: Tensor) -> Inversion:
    """Makes an inversion of random w+ and D^10, whose rendering takes as long as a real one's.

    Args:
        model: The model; its generator is used.
        photo: ``[1, 3, H, W]``, whose size the inversion has; sides divisible by 32.
    """
    generator = model.generator
    random = torch.Generator().manual_seed(0)
    shrink = generator.resolution // layer_resolution(FEATURE_LAYER)
    channels = generator.channels[layer_resolution(FEATURE_LAYER)]
    size = (photo.shape[2] // shrink, photo.shape[3] // shrink)
    w_plus = torch.randn(1, generator.num_styles, generator.style_dim, generator=random).to(photo)
    feature = torch.randn(1, channels, *size, generator=random).to(photo)
    features = generator.features(w_plus, start=(FEATURE_LAYER, feature))
    return Inversion(w_plus, features, generator.render(features, w_plus).clamp(-1.0, 1.0))


def render_candidates(
    model: StyleCineGAN, photo: Tensor, mask: Tensor, motion: Tensor, num_frames: int
) -> list[Candidate]:
    """Implementations of the rendering: the released procedure, and ours of three kinds.

    Splats of the released procedure are in PyTorch or compiled. Ours warps features (unfolded), or
    their to-RGB outputs (folded), or has all additions to the paper. A run of a slow candidate
    renders a single frame, a run of a fast one a whole loop, so that its time includes the
    integration of the motion.

    Args:
        model: Its generator renders.
        photo: I, ``[1, 3, H, W]``; sides divisible by 32.
        mask: S, ``[1, 1, H, W]`` in [0, 1].
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

    def next_frames(name: str, warping: Warping, *, is_baseline: bool = False) -> Candidate:
        loop = cinemagraph(warping)
        endless = itertools.chain.from_iterable(loop.frames for _ in itertools.count())
        return Candidate(name, lambda: next(endless), is_baseline=is_baseline)

    def loops(name: str, warping: Warping) -> Candidate:
        loop = cinemagraph(warping)
        return Candidate(name, lambda: deque(loop.frames, maxlen=0), units=num_frames)

    def released(name: str, *, use_compiled: bool) -> Candidate:
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
        return Candidate(name, lambda: procedure.render(next(frames)), is_baseline=True)

    return [
        released("released procedure, splat in PyTorch", use_compiled=False),
        released("released procedure, our splat", use_compiled=True),
        next_frames("unfolded", Warping.of_the_paper(use_folding=False), is_baseline=True),
        next_frames("folded, reference", Warping.of_the_paper(backend="reference")),
        loops("folded", Warping.of_the_paper()),
        loops("folded, with all additions", Warping()),
    ]
