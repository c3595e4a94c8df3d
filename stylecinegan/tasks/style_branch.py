"""Training of the encoder's style branch for a generator that was trained after the encoder."""

import copy
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.stylegan2 import NUM_STRUCTURE_CODES, layer_resolution
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.losses.adversarial import SqueezeNetFeatures, perceptual_distance
from stylecinegan.tasks.generator_setup import encoder_input
from stylecinegan.tasks.layout_gan import LAST_LAYER, LayoutGAN, enlarge, load_layout_colours
from stylecinegan.tasks.supervised import SupervisedTask, Terms
from stylecinegan.training import distributed
from stylecinegan.training.update import Precision, Update

_MIN_TRUNCATION = 0.6  # of the samples, whose truncation is uniform up to 1
_BATCH = 16
_RIDGE = 30.0  # λ of the ridge regression, in units of a standardised feature's variance
_LAYOUT_SIDE = layer_resolution(LAST_LAYER)
_NUM_LAYOUT_CODES = LAST_LAYER - 1


class StyleHeads(nn.Module):
    """Linear maps of standardised features to the codes up to D^10, one map a code.

    ``w_k = w_mean + ((x - μ) / σ) A_k + b_k``. The pooled features differ in scale by orders of
    magnitude, so Adam needs them standardised; :meth:`fold` gives the equal layers of an encoder.

    Args:
        num_features: Length of x.
        style_dim: Length of a code.
    """

    mean: Tensor
    deviation: Tensor
    w_mean: Tensor

    def __init__(self, num_features: int, style_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(NUM_STRUCTURE_CODES, num_features, style_dim))
        self.bias = nn.Parameter(torch.zeros(NUM_STRUCTURE_CODES, style_dim))
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("deviation", torch.ones(num_features))
        self.register_buffer("w_mean", torch.zeros(style_dim))

    def forward(self, features: Tensor, *, dropout: float = 0.0) -> Tensor:
        """Maps ``[B, P]`` to codes, ``[B, 9, style_dim]``, with a share of the features dropped."""
        x = F.dropout((features - self.mean) / self.deviation, dropout)
        return self.w_mean + torch.einsum("bp,kpd->bkd", x, self.weight) + self.bias

    @torch.no_grad()
    def fit(self, features: Tensor, w: Tensor) -> None:
        """Starts all maps from the ridge regression of codes ``[N, style_dim]`` on features."""
        x = (features - self.mean) / self.deviation
        gram = x.T @ x + _RIDGE * torch.eye(x.shape[1], device=x.device)
        self.weight.copy_(torch.linalg.solve(gram, x.T @ (w - self.w_mean)))
        self.bias.zero_()

    @torch.no_grad()
    def fold(self, encoder: FeatureStyleEncoder) -> None:
        """Makes an encoder's linear layers for the codes up to D^10 equal to the maps."""
        for k in range(NUM_STRUCTURE_CODES):
            weight = (self.weight[k] / self.deviation.unsqueeze(1)).T
            bias = self.w_mean + self.bias[k] - weight @ self.mean - encoder.w_mean
            encoder.styles[k].get_parameter("weight").copy_(weight)
            encoder.styles[k].get_parameter("bias").copy_(bias)


class StyleBranchTask(SupervisedTask):
    """Fits the codes of layers 2 to 10 to photos and samples; all else of the encoder is fixed.

    D^10, masks and motion do not change, so the branch can be trained after them, for a new
    generator. The linear layers start from a ridge regression of samples' w on the encoder's
    features. Then the codes of photos are trained to render them at 32 pixels
    (:class:`~stylecinegan.tasks.layout_gan.LayoutGAN`), as later layers hardly move anything.
    With codes w_k, mean code w̄ and the samples' variance σ², the loss is
    ``|x - y| + d(x, y) + c |w_k - w|² / σ² + r |w_k - w̄|² / σ² + v |w_k - mean_k w_k|² / σ²``,
    the third term over samples of known w, the others over photos y and their renderings x; d is
    the perceptual distance at 64 pixels.

    Args:
        encoder: The encoder.
        generator: ``generator.safetensors`` to invert.
        initial: Folder of ``encoder.safetensors``.
        layout: ``layout.safetensors`` that the generator was trained from; the file of its colours,
            ``layout_rgb.safetensors``, lies beside it.
        feature_weights: ImageNet weights of SqueezeNet, ``.npz``.
        num_samples: Number of samples of known w.
        num_drawn: Number of them in each step.
        code_weight: c.
        regularization_weight: r.
        variation_weight: v; keeps the codes of a photo alike, as those of samples are.
        dropout: Share of the features that is dropped at random.
        learning_rate: Peak learning rate of Adam.
        num_steps: Length of the cosine schedule that lowers the learning rate to 1 %.
        num_warmup: Steps of linear warm-up.
        ema_half_life: Half-life of the averaged weights, in pictures.
        precision: Compute dtype of the networks.
        num_accumulate: Parts that a batch is split into.

    Raises:
        InputError: If a file is missing or the networks do not fit each other.
    """

    network_key = "heads"

    def __init__(
        self,
        encoder: FeatureStyleEncoder,
        *,
        generator: str | Path,
        initial: str | Path,
        layout: str | Path,
        feature_weights: str | Path,
        num_samples: int = 1440,
        num_drawn: int = 64,
        code_weight: float = 0.1,
        regularization_weight: float = 0.01,
        variation_weight: float = 0.03,
        dropout: float = 0.1,
        learning_rate: float = 1e-3,
        num_steps: int = 1800,
        num_warmup: int = 1,
        ema_half_life: float = 2000.0,
        precision: Precision = "fp32",
        num_accumulate: int = 1,
    ) -> None:
        path = Path(initial) / "encoder.safetensors"
        found = checkpoints.load(path, FeatureStyleEncoder).state_dict()
        checkpoints.load_strictly(encoder, found, path)
        self.network = LayoutGAN(checkpoints.load(generator, Generator))
        self.generator = self.network.generator
        load_layout_colours(layout, self.network)
        self.generator.estimate_w_mean()
        _check(encoder, self.generator)
        self.encoder = encoder
        self.features = SqueezeNetFeatures(feature_weights, ("fire3", "fire5", "fire9"))
        for module in (self.encoder, self.network, self.features):
            module.to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self.num_samples = num_samples
        self.num_drawn = num_drawn
        self.dropout = dropout
        self.weights = {
            "pixel": 1.0,
            "perceptual": 1.0,
            "code": code_weight,
            "regularization": regularization_weight,
            "variation": variation_weight,
        }
        # Samples with known codes: the encoder's features of their pictures, and their w.
        self.samples = {"features": torch.zeros(0), "w": torch.zeros(0)}
        style = encoder.styles[0]
        assert isinstance(style, nn.Linear)
        self.heads = StyleHeads(style.in_features, style.out_features)
        update = Update(
            list(self.heads.parameters()),
            torch.optim.Adam(self.heads.parameters(), learning_rate, betas=(0.9, 0.99)),
            precision=precision,
            num_accumulate=num_accumulate,
        )
        super().__init__(
            self.heads,
            update,
            num_steps=num_steps,
            num_warmup=num_warmup,
            ema_half_life=ema_half_life,
        )

    def to(self, device: torch.device) -> None:
        """Moves all networks and the samples."""
        for module in (self.encoder, self.network, self.features, self.heads, self.averaged):
            module.to(device)
        self.samples = {name: tensor.to(device) for name, tensor in self.samples.items()}

    def step(self, batch: Terms) -> Terms:
        """Updates the maps on ``{"image": [B, 3, S, S]}``; returns the loss terms."""
        if self.step_number == 0:
            self._prepare(batch["image"])
        return super().step(batch)

    def loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Weighted sum of the terms over photos and samples."""
        image = batch["image"]
        with torch.no_grad():
            features = self._pool(image)
        # Codes are float32, as those of the mapping network are.
        with torch.autocast(image.device.type, enabled=False):
            codes = self.heads(features, dropout=self.dropout)
            chosen = torch.randint(self.num_samples, (self.num_drawn,), device=image.device)
            known = self.heads(self.samples["features"][chosen], dropout=self.dropout)
            error = known - self.samples["w"][chosen].unsqueeze(1)
        picture, mean = self._render(codes)
        target = F.adaptive_avg_pool2d(image, _LAYOUT_SIDE)
        variance = self.samples["w"].var(dim=0).mean()
        terms = {
            "pixel": (picture - target).abs().mean(),
            "perceptual": perceptual_distance(self.features, enlarge(picture), enlarge(target)),
            "code": error.square().mean() / variance,
            "regularization": (codes - self.heads.w_mean).square().mean() / variance,
            "variation": (codes - mean.unsqueeze(1)).square().mean() / variance,
        }
        return torch.stack(
            [self.weights[k] * term.float() for k, term in terms.items()]
        ).sum(), terms

    def _pool(self, picture: Tensor) -> Tensor:
        small = encoder_input(picture, self.generator)
        return self.encoder.pool_blocks(small.contiguous(memory_format=torch.channels_last))

    def _render(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures of 32 pixels, and the mean of the codes that they depend on."""
        mean = codes[:, :_NUM_LAYOUT_CODES].mean(dim=1)
        rest = codes.new_zeros(
            len(codes), self.generator.num_styles - codes.shape[1], codes.shape[2]
        )
        features = self.generator.features(torch.cat([codes, rest], dim=1), last=LAST_LAYER)
        return self.network.render(features, mean), mean

    @torch.no_grad()
    def _prepare(self, photos: Tensor) -> None:
        """Draws the samples and starts the maps from their regression.

        The features are standardised by mean and variance of photos and samples in equal parts.
        """
        random = torch.Generator().manual_seed(0)  # the same samples in all processes
        features, codes = [], []
        for first in range(0, self.num_samples, _BATCH):
            count = min(_BATCH, self.num_samples - first)
            z = torch.randn(count, self.generator.style_dim, generator=random).to(photos.device)
            truncation = _MIN_TRUNCATION + (1.0 - _MIN_TRUNCATION) * float(
                torch.rand((), generator=random)
            )
            w = self.generator.truncate(self.generator.mapping(z), truncation)
            picture = self.generator(self.generator.repeat_w(w)).clamp(-1.0, 1.0)
            features.append(self._pool(picture))
            codes.append(w)
        self.samples = {"features": torch.cat(features), "w": torch.cat(codes)}
        sources = (self._pool(photos), self.samples["features"])
        moments = [torch.stack([x.mean(dim=0), x.square().mean(dim=0)]) for x in sources]
        mean, square = distributed.average_(torch.stack(moments).mean(dim=0))
        self.heads.mean.copy_(mean)
        self.heads.deviation.copy_((square - mean.square()).clamp_min(0.0).sqrt() + 1e-4)
        self.heads.w_mean.copy_(self.generator.w_mean)
        self.heads.fit(self.samples["features"], self.samples["w"])
        self.averaged.module.load_state_dict(self.heads.state_dict())

    def state_dict(self) -> dict:
        """State of a resumable run."""
        return {**super().state_dict(), "samples": self.samples}

    def load_state_dict(self, state: dict) -> None:
        """Restores a state of :meth:`state_dict`."""
        super().load_state_dict(state)
        device = self.heads.bias.device
        self.samples = {name: tensor.to(device) for name, tensor in state["samples"].items()}

    def averaged_encoder(self) -> FeatureStyleEncoder:
        """The encoder with the averaged maps as its style branch."""
        encoder = copy.deepcopy(self.encoder)
        cast(StyleHeads, self.averaged.module).fold(encoder)
        return encoder

    def export(self, directory: Path) -> None:
        """Writes ``encoder.safetensors``."""
        directory.mkdir(parents=True, exist_ok=True)
        notes = {"task": "style_branch", "step": str(self.step_number)}
        checkpoints.save(directory / "encoder.safetensors", self.averaged_encoder(), notes=notes)

    @torch.no_grad()
    def sample(self, batch: Terms) -> Terms:
        """Photos, then their inversions by w+ alone, ``{"inversion": [2 B, 3, S, S]}``."""
        image = batch["image"]
        inverted = self.generator(
            self.averaged_encoder()(encoder_input(image, self.generator))[0]
        ).clamp(-1.0, 1.0)
        side = self.generator.resolution
        shown = F.interpolate(image, (side, side), mode="bilinear", antialias=True)
        return {"inversion": torch.cat([shown, inverted])}


def _check(encoder: FeatureStyleEncoder, generator: Generator) -> None:
    found = (len(encoder.styles), encoder.w_mean.shape[0])
    wanted = (generator.num_styles, generator.style_dim)
    if found != wanted:
        raise InputError(
            f"wanted an encoder of {wanted[0]} codes of length {wanted[1]}, like the generator's, "
            f"found {found[0]} of length {found[1]}"
        )
