"""Training of the semantic features that are appended to D*."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecinegan import checkpoints
from stylecinegan.backbones.efficientnet import load_imagenet_weights
from stylecinegan.errors import InputError
from stylecinegan.mask.ensemble import MaskEnsemble
from stylecinegan.mask.semantic_features import ContextNetwork, SemanticContext
from stylecinegan.tasks.segmentation import soft_cross_entropy
from stylecinegan.tasks.supervised import SupervisedTask, Terms
from stylecinegan.training.augmentation import change_colors
from stylecinegan.training.update import Precision, Update


class SemanticTask(SupervisedTask):
    """Trains a :class:`SemanticContext` on photos and their labels by cross-entropy.

    Photos are augmented by random changes of brightness, saturation and contrast, against
    overfitting to a few thousand of them. Targets are the fractions of each class among the
    photo's pixels under a pixel of the feature map: ``-Σ_c y_c log p_c``. Soft labels with weights
    (:class:`~stylecinegan.data.composites.Composites`) are averaged likewise; falling water is
    water. :class:`~stylecinegan.tasks.mask.MaskTask` then combines several such networks and trains
    the pixel classifiers.

    Args:
        ensemble: An ensemble with a single semantic network, the only part that is trained.
        trunk: File of ImageNet weights that the trunk is initialised from
            (:func:`~stylecinegan.backbones.efficientnet.load_imagenet_weights`); random by
            default, which needs far more than a few thousand photos.
        num_frozen: Number of the trunk's first blocks that are frozen: their low-level features
            transfer, and they take half the time of a step.
        initial: ``mask.safetensors`` whose semantic network is trained further.
        initial_network: Index of that network, if the file has several.
        learning_rate: Peak learning rate of AdamW for the head.
        trunk_learning_rate: Peak learning rate for the trunk.
        weight_decay: Weight decay of AdamW.
        num_steps: Length of the cosine schedule that lowers the learning rates to 1 %.
        num_warmup: Steps of linear warm-up.
        ema_half_life: Half-life of the averaged weights, in photos.
        precision: Compute dtype of the network.
        num_accumulate: Parts that a batch is split into.

    Raises:
        InputError: If the context has several networks.
    """

    network_key = "context"

    def __init__(
        self,
        ensemble: MaskEnsemble,
        *,
        trunk: str | Path | None = None,
        num_frozen: int = 4,
        initial: str | Path | None = None,
        initial_network: int = 0,
        learning_rate: float = 2e-3,
        trunk_learning_rate: float = 2e-4,
        weight_decay: float = 3e-2,
        num_steps: int = 1000,
        num_warmup: int = 50,
        ema_half_life: float = 1000.0,
        precision: Precision = "fp32",
        num_accumulate: int = 1,
    ) -> None:
        context = ensemble.context
        assert isinstance(context, SemanticContext)
        if len(context.networks) != 1:
            raise InputError("networks of a context are trained one at a time, got several")
        network = context.networks[0]
        assert isinstance(network, ContextNetwork)
        if trunk is not None:
            load_imagenet_weights(network.trunk, trunk)
        if initial is not None:
            network.load_state_dict(_network_of(initial, initial_network).state_dict())
        self.ensemble = ensemble
        self.context = context.to(memory_format=torch.channels_last).train()
        self.network = network
        network.trunk.stem.requires_grad_(num_frozen == 0)
        network.trunk.blocks[:num_frozen].requires_grad_(False)
        tuned = [weight for weight in network.trunk.parameters() if weight.requires_grad]
        head = [*network.head.parameters(), *network.classify.parameters()]
        groups = [
            {"params": tuned, "peak": trunk_learning_rate},
            {"params": head, "peak": learning_rate},
        ]
        update = Update(
            [*tuned, *head],
            torch.optim.AdamW(groups, weight_decay=weight_decay),
            precision=precision,
            num_accumulate=num_accumulate,
        )
        super().__init__(
            context,
            update,
            num_steps=num_steps,
            num_warmup=num_warmup,
            ema_half_life=ema_half_life,
        )

    def to(self, device: torch.device) -> None:
        """Moves all networks."""
        self.ensemble.to(device)
        self.averaged.to(device)

    def loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Cross-entropy with the fractions of each class, at the feature maps' resolution.

        Args:
            batch: ``{"image": [B, 3, S, S], "label": [B, S, S]}``, or a batch of
                :class:`~stylecinegan.data.composites.Composites`.
        """
        image = batch["image"]
        if self.context.training:
            image = change_colors(image, 0.25 + 0.5 * torch.rand(len(image), 3).to(image))
        image = image.contiguous(memory_format=torch.channels_last)
        logits = self.network.classify(self.network(image)).float()
        entropy = soft_cross_entropy(logits, _soft_labels(batch, logits))
        return entropy, {"entropy": entropy}

    def export(self, directory: Path) -> None:
        """Writes the ensemble with the averaged context as ``mask.safetensors``."""
        directory.mkdir(parents=True, exist_ok=True)
        exported = MaskEnsemble(**self.ensemble.arguments)  # pyright: ignore
        exported.load_state_dict(self.ensemble.state_dict())
        exported.context.load_state_dict(self.averaged.module.state_dict())
        notes = {"task": "semantic", "step": str(self.step_number)}
        checkpoints.save(directory / "mask.safetensors", exported, notes=notes)


def _network_of(path: str | Path, number: int) -> nn.Module:
    context = checkpoints.load(path, MaskEnsemble).context
    if not isinstance(context, SemanticContext) or not 0 <= number < len(context.networks):
        raise InputError(f"{path} holds no semantic network {number}")
    return context.networks[number]


def _soft_labels(batch: Terms, logits: Tensor) -> Terms:
    """Labels at the size and with the classes of the logits."""
    if "label" in batch:
        classes = F.one_hot(batch["label"], logits.shape[1]).permute(0, 3, 1, 2).float()
        weight = torch.ones_like(classes[:, :1])
        batch = {"target": classes, "weight": weight, "knows_water": weight}
    target = batch["target"]
    static, sky, water = target[:, :1], target[:, 1:2], target[:, 2:].sum(dim=1, keepdim=True)
    parts = {"target": torch.cat([static, sky, water], dim=1)}
    parts |= {name: batch[name] for name in ("weight", "knows_water")}
    size = (logits.shape[2], logits.shape[3])
    return {name: F.adaptive_avg_pool2d(part, size) for name, part in parts.items()}
