"""Training of style codes for a generator whose layers after D^10 are a decoder (Sec. 3.4)."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.generator.appearance_head import AppearanceHead
from stylecinegan.generator.stylegan2 import FEATURE_LAYER, NUM_STRUCTURE_CODES
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.tasks.color_transfer import (
    find_palette,
    from_oklab,
    to_oklab,
    transfer_colors,
)
from stylecinegan.tasks.generator_setup import encoder_input
from stylecinegan.training.schedule import cosine_rate
from stylecinegan.training.update import Precision, Update

Terms = dict[str, Tensor]

NUM_DESCRIPTORS = 4096
"""Number of recent descriptors that the principal components are estimated from."""


class AppearanceTask:
    """Trains the codes after D^10 to change colours, supervised by a classical colour transfer.

    The style image of every photo in a batch is the next photo, and the target is the photo with
    the style image's colours, transferred region by region
    (:mod:`~stylecinegan.tasks.color_transfer`). With the output x and the target y, the loss is
    ``mean_s |↓s(x - y)| + λ / 2 (|∂x(x - y)| + |∂y(x - y)|)`` with ↓s average pooling by
    s = 1, 4, 16 and λ the detail weight.

    The appearance head and the modulation weights of the layers after D^10 are trained. A photo's
    own codes are zero, for which the generator is unchanged: inversions, masks and samples are
    bit-identical.

    Args:
        initial: Folder of ``generator.safetensors``, whose layers after D^10 ignore their codes,
            and ``encoder.safetensors``, whose codes for these layers are set to zero.
        num_components: Length of the appearance descriptor.
        learning_rate: Peak learning rate of Adam for the head.
        modulation_learning_rate: Peak for the modulation weights, relative to the RMS of the
            layer's modulation bias.
        detail_weight: Weight of the error of the picture's gradient, against spurious texture.
        num_steps: Length of the cosine schedule that lowers the learning rates to 1 %.
        num_warmup: Steps of linear warm-up.
        precision: Compute dtype of encoder and generator.
        num_accumulate: Parts that a batch is split into, two photos or more each.

    Raises:
        InputError: If the generator's codes after D^10 have an effect already.
    """

    def __init__(
        self,
        initial: str | Path,
        *,
        num_components: int = 32,
        learning_rate: float = 2e-3,
        modulation_learning_rate: float = 0.1,
        detail_weight: float = 1.0,
        num_steps: int = 1000,
        num_warmup: int = 50,
        precision: Precision = "fp32",
        num_accumulate: int = 1,
    ) -> None:
        self.generator = _with_head(Path(initial) / "generator.safetensors", num_components)
        self.encoder = checkpoints.load(Path(initial) / "encoder.safetensors", FeatureStyleEncoder)
        _make_neutral(self.encoder)
        for network in (self.generator, self.encoder):
            network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
        assert self.generator.appearance is not None
        self.head: AppearanceHead = self.generator.appearance
        self.detail_weight = detail_weight
        self.num_steps = num_steps
        self.num_warmup = num_warmup
        self.step_number = 0
        self.descriptions = torch.zeros(0, num_components)
        groups: list[dict] = [{"params": list(self.head.parameters()), "peak": learning_rate}]
        for modulation in _modulations(self.generator):
            scale = float(modulation.get_parameter("bias").square().mean().sqrt())
            weight = modulation.get_parameter("weight")
            groups.append({"params": [weight], "peak": scale * modulation_learning_rate})
        trained = [parameter for group in groups for parameter in group["params"]]
        for parameter in trained:
            parameter.requires_grad_(True)
        self.update = Update(
            trained,
            torch.optim.Adam(groups, betas=(0.9, 0.99)),
            precision=precision,
            num_accumulate=num_accumulate,
        )

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        self.generator.to(device)
        self.encoder.to(device)

    def step(self, batch: Terms) -> Terms:
        """Runs one step on ``{"image": [B, 3, S, S], "label": [B, S, S]}``; returns the terms."""
        rate = cosine_rate(self.step_number, self.num_steps, self.num_warmup)
        for group in self.update.optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        terms = self.update(self.loss, batch)
        self.step_number += 1
        return terms

    def loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Error of photos in the next photo's style relative to the colour transfer."""
        image, label = batch["image"], batch["label"]
        with torch.no_grad():
            feature = self._encode(image)
            with torch.autocast(image.device.type, enabled=False):
                target = _target(image, label)
        description = self.head(feature)
        latest = torch.cat([description.detach().cpu(), self.descriptions])
        self.descriptions = latest[:NUM_DESCRIPTORS]
        styled = self._restyle(feature, description.roll(-1, 0) - description)
        error = styled - target
        pixel = torch.stack([F.avg_pool2d(error, side).abs().mean() for side in (1, 4, 16)]).mean()
        detail = torch.stack([error.diff(dim=side).abs().mean() for side in (2, 3)]).mean()
        terms = {"pixel": pixel, "detail": detail}
        # Relative to the error of the unchanged photo.
        relative_error = error.detach().abs().mean() / (image - target).abs().mean()
        return pixel + self.detail_weight * detail, {**terms, "relative_error": relative_error}

    def _encode(self, image: Tensor) -> Tensor:
        small = encoder_input(image, self.generator)
        return self.encoder(small.contiguous(memory_format=torch.channels_last))[1]

    def _restyle(self, feature: Tensor, change: Tensor) -> Tensor:
        offset = self.head.offset(change).float()
        w_plus = offset.unsqueeze(1).expand(-1, self.generator.num_styles, -1)
        layers = self.generator.features(w_plus, start=(FEATURE_LAYER, feature))
        return self.generator.render(layers, w_plus)

    def state_dict(self) -> dict:
        """State of a resumable run."""
        return {
            "generator": self.generator.state_dict(),
            "descriptions": self.descriptions,
            "update": self.update.state_dict(),
            "step": self.step_number,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restores a state of :meth:`state_dict`."""
        self.generator.load_state_dict(state["generator"])
        self.descriptions = state["descriptions"]
        self.update.load_state_dict(state["update"])
        self.step_number = state["step"]

    def export(self, directory: Path) -> None:
        """Writes ``generator.safetensors`` and ``encoder.safetensors``."""
        directory.mkdir(parents=True, exist_ok=True)
        generator = Generator(**self.generator.arguments)  # pyright: ignore
        generator.load_state_dict(self.generator.state_dict())
        assert generator.appearance is not None
        generator.appearance.standardize(self.descriptions)
        notes = {"task": "appearance", "step": str(self.step_number)}
        for name, module in {"generator": generator, "encoder": self.encoder}.items():
            checkpoints.save(directory / f"{name}.safetensors", module, notes=notes)

    @torch.no_grad()
    def sample(self, batch: Terms) -> Terms:
        """Photos, outputs in the next photo's style, targets: ``{"styles": [3 B, 3, S, S]}``."""
        image = batch["image"]
        feature = self._encode(image)
        description = self.head(feature)
        styled = self._restyle(feature, description.roll(-1, 0) - description)
        return {
            "styles": torch.cat([image, styled.clamp(-1.0, 1.0), _target(image, batch["label"])])
        }


def _target(image: Tensor, label: Tensor) -> Tensor:
    """Every photo with the colours of the next one."""
    lab = to_oklab(image.float())
    palette = find_palette(lab, label)
    wanted = type(palette)(*(tensor.roll(-1, 0) for tensor in palette))
    return from_oklab(transfer_colors(lab, label, palette, wanted))


def _with_head(path: Path, num_components: int) -> Generator:
    """Loads a generator and adds an appearance head unless it has one."""
    given = checkpoints.load(path, Generator)
    if given.appearance is not None:
        return given
    if any(bool(m.get_parameter("weight").any()) for m in _modulations(given)):
        raise InputError(
            f"wanted a generator whose layers after D^10 ignore their codes, {path} has another: "
            "its codes change the appearance already"
        )
    generator = Generator(**{**given.arguments, "appearance_dim": num_components})  # pyright: ignore
    generator.load_state_dict(given.state_dict(), strict=False)
    return generator


def _modulations(generator: Generator) -> list[nn.Module]:
    """Modulation layers of the codes after D^10; to-RGB 10 shares the code of layer 11."""
    layers = [m for n, m in generator.convs.items() if int(n) > FEATURE_LAYER]
    layers += [m for n, m in generator.to_rgbs.items() if int(n) >= FEATURE_LAYER]
    return [layer.get_submodule("conv.modulation") for layer in layers]


@torch.no_grad()
def _make_neutral(encoder: FeatureStyleEncoder) -> None:
    """Makes the encoder's codes for the layers after D^10 zero."""
    for style in encoder.styles[NUM_STRUCTURE_CODES:]:
        style.get_parameter("weight").zero_()
        style.get_parameter("bias").copy_(encoder.w_mean).neg_()
