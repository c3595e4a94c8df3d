"""Discriminator inputs and the non-adversarial losses of MoCoGAN-HD."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecinegan.training.augmentation import augment, cut_out, shift


def augment_video(video: Tensor, numbers: Tensor) -> Tensor:
    """Augments all frames of each video alike.

    Args:
        video: ``[B, T, 3, H, W]`` in [-1, 1].
        numbers: One row per video, as for :func:`~stylecinegan.training.augmentation.augment`.
    """
    num_frames = video.shape[1]
    frames = augment(video.flatten(0, 1), numbers.repeat_interleave(num_frames, dim=0))
    return frames.unflatten(0, (-1, num_frames))


def view(image: Tensor, numbers: Tensor) -> Tensor:
    """Shifts a frame and cuts out a part, for the image discriminator.

    Colours are unchanged. Otherwise the discriminator would be blind to contrast that grows from
    frame to frame, and trajectories would leave the generator's distribution.

    Args:
        image: ``[B, 3, H, W]`` in [-1, 1].
        numbers: As for :func:`~stylecinegan.training.augmentation.augment`.
    """
    return cut_out(shift(image, numbers[:, 3:5]), numbers[:, 5:7])


def contrastive_loss(first: Tensor, second: Tensor, temperature: float = 0.07) -> Tensor:
    """InfoNCE loss: two views of a picture are positives, views of other pictures negatives.

    With s the cosine similarity and p(i) the other view of view i's picture, the loss is the mean
    over all 2 N views i of ``-log(exp(s_i,p(i) / τ) / Σ_(j ≠ i) exp(s_ij / τ))``.

    Args:
        first: Embeddings of one view of each picture, ``[N, D]``.
        second: Embeddings of another view, in the same order, ``[N, D]``.
        temperature: τ, the divisor of the cosine similarities.
    """
    views = F.normalize(torch.cat([first, second]).float(), dim=1)
    similarity = views @ views.t() / temperature
    similarity = similarity.masked_fill(torch.eye(len(views), device=views.device).bool(), -1e9)
    partner = torch.arange(len(views), device=views.device).roll(len(first))
    return F.cross_entropy(similarity, partner)
