"""Classifiers of single pixels by their deep features, as in DatasetGAN (Sec. 3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan.mask.deep_features import DeepFeatures
from stylecinegan.mask.hypercolumns import (
    pixel_centres,
    read_points,
    sample_hypercolumns,
)
from stylecinegan.mask.semantic_features import ContextKind, SemanticContext, make_context

CLASSES = ("static", "sky", "water")
"""Names of the classes 0, 1, 2."""

PIXELS_AT_ONCE = 32768
"""Pixels classified in one batch: their D* takes 190 MB at 1472 channels."""


@dataclass(frozen=True)
class PixelClasses:
    """Classification of every pixel by an ensemble.

    Attributes:
        probabilities: Class probabilities, averaged over the members, ``[B, classes, H, W]``.
        vote: Class with the most votes, ``[B, 1, H, W]``, int64; ties go to the more probable.
        confidence: Fraction of the members that voted for it, ``[B, 1, H, W]`` in (0, 1].
        falling: Probability of falling water by the segmentation network alone, ``[B, 1, H, W]``;
            ``None`` where it is not known.
        evidence: Evidence for the moving classes by both networks, in logits, ``[B, classes - 1,
            H, W]``, in which rocks differ from shade more than in the probabilities; ``None`` where
            it is not known. Only the matting uses it.
    """

    probabilities: Tensor
    vote: Tensor
    confidence: Tensor
    falling: Tensor | None = None
    evidence: Tensor | None = None


class PixelClassifier(nn.Module):
    """Multi-layer perceptron that classifies one pixel.

    Args:
        num_channels: Channels of D*, semantic features included.
        num_classes: Classes.
        hidden: Widths of the two hidden layers.
    """

    def __init__(
        self, num_channels: int, num_classes: int = 3, hidden: Sequence[int] = (128, 32)
    ) -> None:
        super().__init__()
        first, second = hidden
        self.layers = nn.Sequential(
            nn.Linear(num_channels, first),
            nn.ReLU(),
            nn.BatchNorm1d(first),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.BatchNorm1d(second),
            nn.Linear(second, num_classes),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Maps ``[P, num_channels]`` to the classes' logits, ``[P, num_classes]``."""
        return self.layers(pixels)


class MaskEnsemble(nn.Module):
    """Ensemble of pixel classifiers that vote, as in DatasetGAN.

    With semantic features, the probabilities of each member are averaged 50/50 with those of the
    semantic networks: ``p = (p_member + p_semantic) / 2``. The classifiers localise edges better,
    the networks recognise objects better.

    Args:
        num_channels: Channels of D*.
        num_classes: Classes: 0 static, 1 sky, 2 water.
        num_members: Classifiers.
        hidden: Widths of their hidden layers.
        context: Features that are appended to D*, see :func:`make_context`.
        context_width: Channels of the semantic networks' heads.
        context_networks: Number of semantic networks.
    """

    def __init__(
        self,
        num_channels: int = 1472,
        num_classes: int = 3,
        num_members: int = 10,
        hidden: Sequence[int] = (128, 32),
        context: ContextKind = "none",
        context_width: int = 96,
        context_networks: int = 1,
    ) -> None:
        super().__init__()
        self.arguments = {
            "num_channels": num_channels,
            "num_classes": num_classes,
            "num_members": num_members,
            "hidden": list(hidden),
            "context": context,
            "context_width": context_width,
            "context_networks": context_networks,
        }
        self.num_classes = num_classes
        self.context = make_context(context, context_width, num_classes, context_networks)
        length = num_channels + int(self.context.num_channels)  # pyright: ignore
        self.members = nn.ModuleList(
            PixelClassifier(length, num_classes, hidden) for _ in range(num_members)
        )
        # D* is standardised, as its layers differ in scale; the released classifiers take it raw.
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("deviation", torch.ones(length))
        # Added to the logits for the vote only, not for the probabilities.
        self.logit_shift: Tensor
        self.register_buffer("logit_shift", torch.zeros(num_classes))

    def standardize(self, pixels: Tensor) -> Tensor:
        """Standardises D*, ``[P, C]``, to mean 0 and deviation 1 over the training pixels."""
        return (pixels - self.mean) / self.deviation

    def logits(self, pixels: Tensor) -> Tensor:
        """Logits of each member for D*, ``[P, C]``: ``[members, P, classes]``."""
        pixels = self.standardize(pixels)
        return torch.stack([member(pixels) for member in self.members])

    def member_probabilities(self, pixels: Tensor) -> Tensor:
        """Class probabilities of each member for D*, ``[P, C]``: ``[members, P, classes]``."""
        own = self.logits(pixels).softmax(dim=2)
        if not isinstance(self.context, SemanticContext):
            return own
        return (own + self.context.classify(pixels[:, -self.context.num_channels :])) / 2.0

    @torch.no_grad()
    def forward(self, deep: DeepFeatures, size: tuple[int, int]) -> PixelClasses:
        """Classifies every pixel, a batch of rows at a time.

        Args:
            deep: Features of the pictures.
            size: (height, width) of the result, at most about that of the last layer.
        """
        height, width = size
        batch = deep.image.shape[0]
        context = self.context(deep.image)
        rows = max(1, PIXELS_AT_ONCE // (width * batch))
        probabilities, votes = [], []
        for first in range(0, height, rows):
            points = pixel_centres(height, width, first, min(first + rows, height))
            points = points.expand(batch, -1, -1)
            pixels = torch.cat(
                [sample_hypercolumns(deep.features, points), read_points(context, points)], dim=2
            )
            probability = self.member_probabilities(pixels.flatten(0, 1))
            probabilities.append(probability.mean(dim=0).unflatten(0, (batch, -1)))
            chosen = (probability * self.logit_shift.exp()).argmax(dim=2)
            shares = F.one_hot(chosen, self.num_classes).float().mean(dim=0)
            votes.append(shares.unflatten(0, (batch, -1)))
        probability, shares = (
            torch.cat(parts, dim=1).transpose(1, 2).unflatten(2, size)
            for parts in (probabilities, votes)
        )
        vote = (shares + 1e-3 * probability).argmax(dim=1, keepdim=True)
        return PixelClasses(probability, vote, shares.gather(1, vote))
