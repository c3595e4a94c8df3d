"""Joint splatting of small planes instead of points, without dots where the flow diverges."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.ops.splatting import Backend, check_feature, computation_type, splat
from stylecinegan.warping.displacement import pixel_grid

SMALLEST_DENSITY = 0.25
"""Pixels on which fewer sources land (their weights' sum) are completed from coarser sums."""

DENSITY_WINDOW = 5
"""Side of the box filter that smooths the density; it is applied twice."""

_EPSILON = 1e-6


def planar_splat(
    feature: Tensor,
    weight: Tensor | None,
    from_start: Tensor,
    from_end: Tensor,
    progress: float,
    *,
    backend: Backend = "auto",
) -> tuple[Tensor, Tensor]:
    """Blends frame 0 and frame N into frame t (Eq. 3), each as a surface rather than as points.

    Where the flow F(x) = x + F(0→t)(x) diverges, the sources of Eq. 3 land more than a pixel apart.
    Three things then show their grid as dots and ripples: a target takes the value of a source that
    landed up to a pixel away; none may reach it; and the two ends of the loop alternate from pixel
    to pixel, because their shares are sums over few points. So, unlike the paper,

    - each source x is splatted as its tangent plane, D(x) + g·(p − F(x)) at a target p, with
      g = J⁻ᵀ ∇D(x) and J the Jacobian of F (central differences);
    - sums of planes with less than :data:`SMALLEST_DENSITY` are completed by those of coarser
      grids (push-pull): ``s ← s + (SMALLEST_DENSITY − w)₊ s'/w'``, s' and w' the sum and the
      weight of the grid of half the size;
    - the ends are normalised separately, ``D₀ = Σ w·plane / Σ w`` and D_N likewise, and blended as
      ``(α W₀ D₀ + (1−α) W_N D_N) / (α W₀ + (1−α) W_N)`` with W₀ and W_N the smoothed densities.
      With constant densities these are the shares of Eq. 3.

    An affine feature stays affine under a flow that expands affinely. Where the flow contracts to
    half the area or less, or folds, many sources meet and their planes are level, g = 0. Everything
    is linear in the feature, so it commutes with to-RGB.

    Sources in the border read the feature as mirrored at the picture's edge, the outermost pixels
    repeated: levels of all resolutions then mirror at the same place.

    Args:
        feature: D, ``[B, C, H, W]``, finite.
        weight: Weight of each source, ``[B, 1, H, W]``, at least 0; ``None`` for 1.
        from_start: F(0→t), ``[B, 2, H + 2p, W + 2q]``, (x, y) in pixels of this very map.
        from_end: F(N→t), the same size.
        progress: t/N in [0, 1].
        backend: As in :func:`stylecinegan.ops.splatting.splat`.

    Returns:
        The blend, ``[B, C, H, W]``, without holes, and the shares αW₀ and (1−α)W_N,
        ``[B, 2, H, W]``.

    Raises:
        InputError: If shapes, devices or types do not match.
    """
    check_feature(feature)
    kind = computation_type(feature, from_start, from_end)
    source = feature.to(kind)
    weight = torch.ones_like(source[:, :1]) if weight is None else weight.to(kind)
    height, width = feature.shape[2:]
    rows = (from_start.shape[2] - height) // 2
    columns = (from_start.shape[3] - width) // 2
    inner = (..., slice(rows, rows + height), slice(columns, columns + width))
    source, weight = (_mirror(map_, rows, columns) for map_ in (source, weight))
    blended, shares = torch.zeros((), dtype=kind, device=feature.device), []
    for displacement, alpha in ((from_start, 1.0 - progress), (from_end, progress)):
        displacement = displacement.to(kind)
        planes = weight * _tangent_planes(source, displacement)
        sums = splat(planes, displacement, backend=backend)
        share = alpha * _smooth(sums[:, -1:])[inner].clamp(min=_EPSILON)
        blended = blended + share * _evaluate(_complete(sums))[inner]
        shares.append(share)
    blended = blended / (shares[0] + shares[1])
    return blended.to(feature.dtype), torch.cat(shares, dim=1).to(feature.dtype)


def _tangent_planes(feature: Tensor, displacement: Tensor) -> Tensor:
    """Values at the map's origin and slopes along x and y of the warped planes, and 1.

    ``[B, 3 C + 1, H, W]``.
    """
    height, width = feature.shape[2:]
    position = pixel_grid(height, width, feature) + displacement
    (xx, yx), (xy, yy) = (slope.split(1, dim=1) for slope in _gradient(position))
    area = xx * yy - xy * yx
    is_kept = (2.0 * area - 1.0).clamp(0.0, 1.0) / area.clamp(min=0.5)
    along_x, along_y = _gradient(feature)
    slope_x = is_kept * (yy * along_x - yx * along_y)
    slope_y = is_kept * (xx * along_y - xy * along_x)
    x, y = position.split(1, dim=1)
    at_origin = feature - slope_x * x - slope_y * y
    return torch.cat([at_origin, slope_x, slope_y, torch.ones_like(area)], dim=1)


def _gradient(map_: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences along x and y, one-sided and halved at the edges."""
    padded = F.pad(map_, (1, 1, 1, 1), mode="replicate")
    along_x = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    along_y = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    return 0.5 * along_x, 0.5 * along_y


def _complete(sums: Tensor) -> Tensor:
    """Adds the planes of coarser grids where little landed."""
    lacking = (SMALLEST_DENSITY - sums[:, -1:]).clamp(min=0.0)
    if min(sums.shape[2:]) < 2 or not bool(lacking.any()):
        return sums
    coarse = _complete(F.avg_pool2d(sums, 2, ceil_mode=True))
    # Planes are in absolute coordinates, so they may be moved between grids.
    coarse = F.interpolate(coarse, sums.shape[2:], mode="bilinear", align_corners=False)
    return sums + lacking * coarse / coarse[:, -1:].clamp(min=_EPSILON)


def _evaluate(sums: Tensor) -> Tensor:
    """Values of the planes at their own pixels, ``[B, C, H, W]``."""
    at_origin, slope_x, slope_y = sums[:, :-1].chunk(3, dim=1)
    height, width = sums.shape[2:]
    x, y = pixel_grid(height, width, sums).split(1, dim=1)
    return (at_origin + x * slope_x + y * slope_y) / sums[:, -1:].clamp(min=_EPSILON)


def _smooth(density: Tensor) -> Tensor:
    border = DENSITY_WINDOW // 2
    for _ in range(2):
        density = F.pad(density, (border,) * 4, mode="replicate")
        density = F.avg_pool2d(density, DENSITY_WINDOW, stride=1)
    return density


def _mirror(map_: Tensor, rows: int, columns: int) -> Tensor:
    """Pads by reflection at the edge, so that the outermost pixels appear twice."""

    def indices(length: int, border: int) -> Tensor:
        index = torch.arange(-border, length + border, device=map_.device) % (2 * length)
        return torch.minimum(index, 2 * length - 1 - index)

    if not rows and not columns:
        return map_
    row, column = indices(map_.shape[2], rows), indices(map_.shape[3], columns)
    return map_[..., row[:, None], column]
