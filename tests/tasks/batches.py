"""Batches of drawn photos for the tasks' tests."""

import torch

from stylecinegan.data.drawn import draw_landscape


def landscapes(side: int, count: int = 4) -> dict[str, torch.Tensor]:
    """Drawn square photos with their labels."""
    drawn = [draw_landscape(side, side, seed) for seed in range(count)]
    return {
        "image": torch.cat([picture.image for picture in drawn]),
        "label": torch.cat([picture.label[:, 0] for picture in drawn]),
        "index": torch.arange(count),
    }
