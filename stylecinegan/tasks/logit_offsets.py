"""Per-class logit offsets that maximise the intersection over union (IoU)."""

import itertools

import torch
from torch import Tensor

_CANDIDATES = torch.arange(-4, 9) / 10.0


def logit_shift(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Finds the logit offsets that maximise the mean IoU, by grid search.

    The most probable class maximises accuracy. IoU, the metric of masks, is maximised by a lower
    threshold: for two classes p > IoU / (1 + IoU) instead of p > 1/2 (Nowozin 2014). The mean is
    over the IoU of each class but static, and of their union (moving or static).

    Args:
        probabilities: Class probabilities of pixels, ``[P, classes]``; class 0 is static.
        labels: True classes of the pixels, ``[P]``.

    Returns:
        Offsets, ``[classes]``: one of -0.4, -0.3, …, 0.8 for each class but static, whose offset is
        0; all 0 if none are better than that.
    """
    logits = probabilities.clamp(min=1e-6).log()
    best = torch.zeros(logits.shape[1])
    best_iou = _mean_iou(logits.argmax(dim=1), labels, logits.shape[1])
    for tried in itertools.product(_CANDIDATES.tolist(), repeat=logits.shape[1] - 1):
        shift = torch.tensor([0.0, *tried])
        iou = _mean_iou((logits + shift).argmax(dim=1), labels, logits.shape[1])
        if iou > best_iou:
            best, best_iou = shift, iou
    return best


def _mean_iou(found: Tensor, labels: Tensor, num_classes: int) -> float:
    table = torch.bincount(labels * num_classes + found, minlength=num_classes**2).double()
    table = table.view(num_classes, num_classes)
    hit, wanted, got = table.diagonal(), table.sum(dim=1), table.sum(dim=0)
    alone = hit / (wanted + got - hit).clamp(min=1.0)
    moving = table[1:, 1:].sum() / (table.sum() - table[0, 0]).clamp(min=1.0)
    return (alone[1:].sum() + moving).item() / num_classes
