"""The inference procedure of the released code, rewritten as a baseline for speed."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.benchmarks.plain_splatting import plain_splat
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, partial_sums
from stylecinegan.ops import Backend, splat
from stylecinegan.warping.displacement import Sampling, euler_step, resize_displacement
from stylecinegan.warping.frame_warp import HOLE_WINDOW
from stylecinegan.warping.settings import INTEGRATION_SIDE

RELEASED_WARP_LAYERS = (11, 14, 16, 18)
"""Layers whose features the released code warps."""

RELEASED_FIRST_RGB_LAYER = 12
"""First layer whose to-RGB output is part of the frame; it is convolved from warped layer 11."""


class ReleasedProcedure:
    """Renders every frame from scratch, as the released code does.

    For each frame the motion is integrated from both ends of the loop (N - 1 steps in total, so
    N (N - 1) for the loop) on a map extended by 3/8 of its side on each edge; the generator runs
    again from D^10; and features of up to 512 channels, extended likewise, are splatted. The layers
    before D^10, which the released code also runs without need, are left out. Its CUDA kernel in
    CuPy is replaced by our compiled operators or by PyTorch operations. The formulas are those of
    ``Warping.of_the_paper(warp_layers=(11, 14, 16, 18), first_rgb_layer=12, use_folding=False,
    sampling="nearest", period=num_frames - 1)``.

    Args:
        generator: The generator.
        w_plus: Latent codes, ``[1, num_styles, style_dim]``.
        feature: D^10, ``[1, C, R, R]``.
        photo: I, ``[1, 3, H, W]`` in [-1, 1]; sides divisible by 32.
        mask: S, ``[1, 1, H, W]``.
        motion: M times S, ``[1, 2, H, W]``, pixels per frame of the photo.
        num_frames: N. As in the released code, frame N - 1 shows frame 0 again.
        sampling: Interpolation of the motion between pixels.
        use_compiled: Whether splatting, integration and resizing use our compiled operators or
            PyTorch, the splat with ``index_add_``.
    """

    def __init__(
        self,
        generator: Generator,
        w_plus: Tensor,
        feature: Tensor,
        photo: Tensor,
        mask: Tensor,
        motion: Tensor,
        num_frames: int,
        *,
        sampling: Sampling = "nearest",
        use_compiled: bool = True,
    ) -> None:
        self.generator = generator
        self.w_plus = w_plus
        self.feature = feature
        self.photo = photo
        self.mask = mask
        self.period = num_frames - 1
        self.sampling: Sampling = sampling
        self.backend: Backend = "auto" if use_compiled else "reference"
        self.splat = splat if use_compiled else plain_splat
        size = [
            side * INTEGRATION_SIDE // max(INTEGRATION_SIDE, *photo.shape[2:])
            for side in photo.shape[2:]
        ]
        self.motion = _extend(resize_displacement(motion, (size[0], size[1])))

    @torch.no_grad()
    def render(self, frame: int) -> Tensor:
        """Renders frame t and composites it with the photo, ``S I_t + (1 - S) I`` (Eq. 4).

        Args:
            frame: t, in [0, num_frames).

        Returns:
            ``[1, 3, H, W]`` in [-1, 1].
        """
        from_start = self._integrate(self.motion, frame)
        from_end = self._integrate(-self.motion, self.period - frame)
        progress = frame / self.period
        features = self.generator.features(self.w_plus, start=(FEATURE_LAYER, self.feature))
        warped: dict[int, Tensor] = {}
        for layer in range(RELEASED_WARP_LAYERS[0], self.generator.last_layer + 1):
            if layer in RELEASED_WARP_LAYERS:
                warped[layer] = self._warp(features[layer], from_start, from_end, progress)
            elif layer == RELEASED_FIRST_RGB_LAYER:
                warped[layer] = self.generator.convolve(layer, warped[layer - 1], self.w_plus)
        levels = {
            layer: self.generator.to_rgb(layer, feature, self.w_plus)
            for layer, feature in warped.items()
            if layer % 2 == 0
        }
        image = partial_sums(levels)[-1]
        return torch.lerp(self.photo, image, self.mask).clamp(-1.0, 1.0)

    def _integrate(self, motion: Tensor, num_steps: int) -> Tensor:
        """Euler integration (Eq. 1) from zero, in pixels of the motion's map."""
        displacement = torch.zeros_like(motion)
        for _ in range(num_steps):
            displacement = euler_step(
                displacement, motion, sampling=self.sampling, backend=self.backend
            )
        return displacement

    def _warp(
        self, feature: Tensor, from_start: Tensor, from_end: Tensor, progress: float
    ) -> Tensor:
        """Joint splatting (Eq. 3) of the extended feature, cropped, with its holes filled."""
        height, width = feature.shape[2:]
        wide = _extend(torch.cat([feature, torch.ones_like(feature[:, :1])], dim=1))
        size = (wide.shape[2], wide.shape[3])
        start, end = (
            self.splat(wide, resize_displacement(displacement, size, backend=self.backend))
            for displacement in (from_start, from_end)
        )
        sums = torch.lerp(start, end, progress)
        rows, columns = (size[0] - height) // 2, (size[1] - width) // 2
        sums = sums[:, :, rows : rows + height, columns : columns + width]
        total = sums[:, -1:]
        reached = total >= 1e-12
        blended = torch.where(reached, sums[:, :-1] / torch.where(reached, total, 1.0), 0.0)
        window = (HOLE_WINDOW, 1, HOLE_WINDOW // 2)
        neighbours = F.avg_pool2d(reached.to(blended), *window)
        filled = F.avg_pool2d(blended, *window) / neighbours.clamp(min=1e-6)
        return torch.where(reached, blended, filled)


def _extend(field: Tensor) -> Tensor:
    """Extends ``[B, C, H, W]`` by reflection, by 3/8 of its side on each edge."""
    rows, columns = field.shape[2] * 3 // 8, field.shape[3] * 3 // 8
    return F.pad(field, (columns, columns, rows, rows), mode="reflect")
