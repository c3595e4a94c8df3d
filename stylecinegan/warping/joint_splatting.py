import torch
from torch import Tensor

from stylecinegan.errors import InputError
from stylecinegan.ops.splatting import (
    Backend,
    check_feature,
    check_like,
    computation_type,
    runs_native,
    splat,
)

SMALLEST_WEIGHT = 1e-12
"""Weight sums below this count as zero; the quotient would be dominated by rounding."""


def joint_splat(
    feature: Tensor,
    weight: Tensor | None,
    from_start: Tensor,
    from_end: Tensor,
    progress: float,
    *,
    backend: Backend = "auto",
) -> tuple[Tensor, Tensor]:
    """Blends the splats from frame 0 and from frame N into frame t of the loop (Eq. 3).

    With α = 1 − t/N and w the weight of the source pixel, every target is
    (Σ α·w·D + Σ (1−α)·w·D) / (Σ α·w + Σ (1−α)·w), each first sum over the sources that F(0→t)
    maps to p, each second one over those of F(N→t); zero where there are none.

    The displacements may be larger than the feature by a border, the same on opposite sides: its
    sources read feature and weight as if mirrored at the edges (the edge itself not repeated), so
    that content flows in from outside. Without a need for gradients, compiled operators do all of
    this in one pass that never builds the mirrored map.

    Args:
        feature: Deep feature or picture D of the still photo, ``[B, C, H, W]``, finite.
        weight: Weight of each source, ``[B, 1, H, W]``, at least 0; ``None`` for 1
            everywhere. Sources of weight 0 leave nothing.
        from_start: F(0→t), ``[B, 2, H + 2p, W + 2q]``, (x, y) in pixels of this very map.
        from_end: F(N→t), the same size.
        progress: t/N in [0, 1].
        backend: As in :func:`stylecinegan.ops.splatting.splat`.

    Returns:
        The blend, ``[B, C, H, W]``, and its two shares Σ α·w and Σ (1−α)·w, ``[B, 2, H, W]``.

    Raises:
        InputError: If shapes, devices or types do not match, or progress is outside [0, 1].
        ExtensionError: If ``backend="native"`` and the operators cannot be compiled.
    """
    _check(feature, weight, from_start, from_end, progress)
    given = [feature, from_start, from_end] + ([] if weight is None else [weight])
    kind = computation_type(*given)
    converted = [tensor.to(kind) for tensor in given]
    source, start, end = converted[:3]
    factor = None if weight is None else converted[3]
    needs_gradient = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)
    if not needs_gradient and runs_native(feature.device, backend):
        blended, shares = torch.ops.stylecinegan.joint_splat(
            source, factor, start, end, progress, SMALLEST_WEIGHT
        )
    else:
        blended, shares = _compose(source, factor, start, end, progress, backend)
    return blended.to(feature.dtype), shares.to(feature.dtype)


def _compose(
    feature: Tensor,
    weight: Tensor | None,
    from_start: Tensor,
    from_end: Tensor,
    progress: float,
    backend: Backend,
) -> tuple[Tensor, Tensor]:
    if weight is None:
        weight = torch.ones_like(feature[:, :1])
    values = torch.cat([feature * weight, weight], dim=1)
    start = (1 - progress) * _splat_inside(values, from_start, backend)
    end = progress * _splat_inside(values, from_end, backend)
    # Differs from the paper: Eq. 3 as printed normalises each sum alone, which would add up to
    # twice the brightness; here both share one normalisation.
    sums = start + end
    total = sums[:, -1:]
    reached = total >= SMALLEST_WEIGHT
    # The inner choice keeps the gradient of the unused quotient finite.
    blended = torch.where(reached, sums[:, :-1] / torch.where(reached, total, 1), 0)
    return blended, torch.cat([start[:, -1:], end[:, -1:]], dim=1)


def _splat_inside(values: Tensor, displacement: Tensor, backend: Backend) -> Tensor:
    """Splats a map that is mirrored as far as its displacement is larger, and crops it again."""
    height, width = values.shape[-2:]
    rows = (displacement.shape[-2] - height) // 2
    columns = (displacement.shape[-1] - width) // 2
    if rows or columns:
        row = _mirrored_indices(height, rows, values.device)
        column = _mirrored_indices(width, columns, values.device)
        values = values[..., row[:, None], column]
    sums = splat(values, displacement, backend=backend)
    return sums[..., rows : rows + height, columns : columns + width]


def _mirrored_indices(size: int, border: int, device: torch.device) -> Tensor:
    """Returns the indices that -border … size + border - 1 mirror to, ``[size + 2 border]``."""
    period = max(2 * (size - 1), 1)  # a single pixel is its own mirror image
    phase = torch.arange(-border, size + border, device=device) % period
    return torch.minimum(phase, period - phase) if size > 1 else torch.zeros_like(phase)


def _check(
    feature: Tensor, weight: Tensor | None, from_start: Tensor, from_end: Tensor, progress: float
) -> None:
    check_feature(feature)
    batch, channels, height, width = feature.shape
    if min(channels, height, width) == 0:
        raise InputError(f"feature must not be empty, got shape {tuple(feature.shape)}")
    sizes = from_start.shape[-2:] if from_start.dim() == 4 else feature.shape[-2:]
    borders = sizes[0] - height, sizes[1] - width
    if any(border < 0 or border % 2 for border in borders):
        raise InputError(
            "from_start must be larger than feature by the same border on opposite sides, "
            f"got {tuple(sizes)} for {(height, width)}"
        )
    check_like(feature, from_start, "from_start", (batch, 2, *sizes))
    check_like(feature, from_end, "from_end", (batch, 2, *sizes))
    if weight is not None:
        check_like(feature, weight, "weight", (batch, 1, height, width))
    if not 0 <= progress <= 1:
        raise InputError(f"progress must be in [0, 1], got {progress}")
