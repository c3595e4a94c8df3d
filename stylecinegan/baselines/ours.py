"""Our method and its ablations (Table 4)."""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from stylecinegan import StyleCineGAN
from stylecinegan.baselines.scene import FixedScene
from stylecinegan.warping.settings import Warping


class Ours:
    """Multi-scale deep feature warping and its ablations (Sec. 4.3).

    Args:
        warping: Settings of the rendering, by default the paper's, ``Warping.of_the_paper()``. The
            ablation "w/o FW" adds ``direction="backward"``, "w/o DFW" ``warp_layers=()``, "w/o
            MSDFW" ``warp_layers=(10,)``.
        use_mask: Whether to restrict motion and rendering to S; not so in "w/o Mask".
    """

    def __init__(self, warping: Warping | None = None, *, use_mask: bool = True) -> None:
        self.warping = warping or Warping.of_the_paper()
        self.use_mask = use_mask

    def __repr__(self) -> str:
        return f"Ours({self.warping!r}, use_mask={self.use_mask})"

    def __call__(self, model: StyleCineGAN, scene: FixedScene) -> Iterator[Tensor]:
        """Animates a photo (see :class:`Baseline`)."""
        cinemagraph = model.animate(
            scene.photo,
            scene.period,
            motion=scene.motion,
            mask=scene.mask if self.use_mask else torch.ones_like(scene.mask),
            speed=None,
            warping=self.warping,
        )
        return islice(cinemagraph.frames, scene.num_frames)
