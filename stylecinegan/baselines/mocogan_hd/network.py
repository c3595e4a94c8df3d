"""Networks of MoCoGAN-HD (Tian et al. 2021): motion generator and discriminators."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from stylecinegan.appearance.directions import principal_components
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator


class TrajectoryGenerator(nn.Module):
    """LSTM that predicts a trajectory along the principal components of w (its Sec. 3.1).

    The first cell encodes the initial code. Each further step takes new noise, and its hidden state
    is mapped to the coefficients a of ``w_t = w_(t-1) + λ Σ_k tanh(a_k) σ_k v_k``. The number of
    steps is arbitrary.

    Differs from the paper: the initial code is standardised, because the mean of w is many times
    larger than its standard deviation.

    Args:
        style_dim: Length of w and of the noise of a step.
        hidden_dim: Length of the LSTM's state.
        num_directions: Number of principal components, the strongest first.
        step_size: λ, the largest step along a component, in standard deviations.

    Raises:
        InputError: If there are more directions than dimensions.
    """

    def __init__(
        self,
        style_dim: int = 512,
        hidden_dim: int = 384,
        num_directions: int = 384,
        step_size: float = 0.2,
    ) -> None:
        super().__init__()
        if not 1 <= num_directions <= style_dim:
            raise InputError(
                f"num_directions must be in [1, style_dim={style_dim}], got {num_directions}"
            )
        self.arguments = {
            "style_dim": style_dim,
            "hidden_dim": hidden_dim,
            "num_directions": num_directions,
            "step_size": step_size,
        }
        self.style_dim = style_dim
        self.hidden_dim = hidden_dim
        self.step_size = step_size
        self.components: Tensor
        self.deviations: Tensor
        self.w_mean: Tensor
        self.register_buffer("components", torch.eye(num_directions, style_dim))
        self.register_buffer("deviations", torch.ones(num_directions))
        self.register_buffer("w_mean", torch.zeros(style_dim))
        self.encoding_cell = nn.LSTMCell(num_directions, hidden_dim)
        self.cell = nn.LSTMCell(style_dim, hidden_dim)
        self.step = nn.Linear(hidden_dim, num_directions)
        nn.init.normal_(self.step.weight, std=0.02)  # initially videos are static
        nn.init.zeros_(self.step.bias)

    @torch.no_grad()
    def learn_directions(self, generator: Generator) -> None:
        """Stores the mean and the principal components of a generator's w.

        Raises:
            InputError: If the generator's codes have another dimension.
        """
        self.check_generator(generator, compares_mean=False)
        found = principal_components(generator)
        number = len(self.components)
        self.components.copy_(found.components[:number])
        # The first cell divides by the deviations; the weakest ones may be 0.
        self.deviations.copy_(found.deviations[:number].clamp(min=1e-3))
        self.w_mean.copy_(generator.w_mean)

    def check_generator(self, generator: Generator, *, compares_mean: bool = True) -> None:
        """Checks that the directions are those of a generator's w.

        Args:
            generator: The generator.
            compares_mean: Whether to compare the mean of w as well as its dimension.

        Raises:
            InputError: If they are not.
        """
        if generator.style_dim != self.style_dim:
            raise InputError(
                f"MoCoGAN-HD was trained for a w of {self.style_dim} numbers, "
                f"found a generator of {generator.style_dim}"
            )
        if compares_mean and not torch.allclose(generator.w_mean, self.w_mean, atol=1e-2):
            raise InputError(
                "MoCoGAN-HD was trained over another generator, whose mean code is another: "
                "train it over this one (experiment=mocogan_hd) or leave its row out"
            )

    def forward(self, w: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Generates a trajectory.

        Args:
            w: Initial codes, ``[B, style_dim]``.
            noise: Standard normal noise of every step, ``[B, T - 1, style_dim]``.

        Returns:
            Offsets of the codes from the initial ones at T times, the first 0,
            ``[B, T, style_dim]``; and hidden and cell state after every step,
            ``[B, T - 1, 2 hidden_dim]``.
        """
        hidden, cell = self.encoding_cell((w - self.w_mean) @ self.components.t() / self.deviations)
        scaled = self.step_size * self.deviations[:, None] * self.components
        offsets, states = [torch.zeros_like(w)], []
        for step_noise in noise.unbind(dim=1):
            hidden, cell = self.cell(step_noise, (hidden, cell))
            offsets.append(offsets[-1] + torch.tanh(self.step(hidden)) @ scaled)
            states.append(torch.cat([hidden, cell], dim=1))
        return torch.stack(offsets, dim=1), torch.stack(states, dim=1)


class NoiseReader(nn.Sequential):
    """Reconstructs the noise of a step from the states after it.

    Its error bounds the mutual information of noise and motion, as in the paper; training for it
    keeps motion diverse.
    """

    def __init__(self, hidden_dim: int, style_dim: int) -> None:
        super().__init__(
            nn.Linear(2 * hidden_dim, style_dim), nn.ReLU(), nn.Linear(style_dim, style_dim)
        )


class VideoDiscriminator(nn.Module):
    """Multi-scale patch discriminator of videos.

    Each frame is concatenated with the first, so that changes are classified, as in the released
    code if motion and pictures come from one data set.

    Args:
        width: Channels after the first convolution.
        num_layers: Convolutions that halve the frames.
        num_scales: Number of scales; each has half the resolution of the previous one.
    """

    def __init__(self, width: int = 32, num_layers: int = 3, num_scales: int = 2) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            _patch_discriminator(width, num_layers) for _ in range(num_scales)
        )

    def forward(self, video: Tensor) -> list[Tensor]:
        """Logits of ``[B, T, 3, H, W]`` in [-1, 1]: ``[B, 1, t, h, w]`` for each scale."""
        later = video[:, 1:]
        pairs = torch.cat([video[:, :1].expand_as(later), later], dim=2).transpose(1, 2)
        logits = []
        for number, scale in enumerate(self.scales):
            if number:
                pairs = F.avg_pool3d(pairs, (1, 2, 2))
            logits.append(scale(pairs))
        return logits


def _patch_discriminator(width: int, num_layers: int) -> nn.Sequential:
    """Convolutions from pairs of frames, ``[B, 6, T, H, W]``, to logits, ``[B, 1, t, h, w]``."""
    layers: list[nn.Module] = []
    before = 6
    for number in range(num_layers):
        after = width * 2**number
        # Time is halved only once, because training videos are short.
        stride = (2 if number == 1 else 1, 2, 2)
        layers += [spectral_norm(nn.Conv3d(before, after, (3, 4, 4), stride, 1))]
        layers += [nn.LeakyReLU(0.2)]
        before = after
    layers.append(spectral_norm(nn.Conv3d(before, 1, 3, 1, 1)))
    return nn.Sequential(*layers)


class ImageDiscriminator(nn.Module):
    """Discriminator of frames, with an embedding for contrastive learning (the paper's Sec. 3.3).

    Args:
        side: Side of the frames, a power of two.
        width: Channels after the first convolution.
        max_width: Maximal number of channels.
        embedding_dim: Length of the embedding.
    """

    def __init__(
        self, side: int = 64, width: int = 32, max_width: int = 128, embedding_dim: int = 64
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, after = 3, width
        while side > 4:
            layers += [spectral_norm(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(0.2)]
            before, after, side = after, min(2 * after, max_width), side // 2
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.logit = spectral_norm(nn.Linear(before * side**2, 1))
        self.embedding = nn.Linear(before * side**2, embedding_dim)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Classifies ``[B, 3, S, S]`` in [-1, 1].

        Returns:
            Logits, ``[B, 1]``, larger for first frames; and embeddings, ``[B, embedding_dim]``.
        """
        x = self.trunk(image)
        return self.logit(x), self.embedding(x)
