"""Training of the segmentation network of static, sky and water."""

from pathlib import Path

import torch
from torch import Tensor

from stylecinegan import checkpoints
from stylecinegan.backbones.u2net import U2Net, add_classes, load_sky_weights
from stylecinegan.tasks.supervised import SupervisedTask, Terms
from stylecinegan.training.augmentation import change_colors
from stylecinegan.training.update import Precision, Update

SIDE_WEIGHT = 0.2
"""Weight of the side outputs' mean loss (deep supervision, as in U²-Net's paper)."""


class SegmentationTask(SupervisedTask):
    """Trains a :class:`U2Net` by cross-entropy with soft labels.

    With target probabilities y of static, sky, water and falling water, p those of the network
    and w the weight of a pixel, the loss is ``-Σ w Σ_c y_c log p_c / Σ w``. For labels that do not
    distinguish static from water, all but the sky are one class:
    ``-y_sky log p_sky - (1 - y_sky) log(1 - p_sky)``.

    Args:
        network: The network to train.
        initial: Weights to start from: ``.npz`` of public sky segmentation weights
            (:func:`~stylecinegan.backbones.u2net.load_sky_weights`), or ``.safetensors`` of an
            earlier run, possibly with fewer classes
            (:func:`~stylecinegan.backbones.u2net.add_classes`).
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Weight decay of AdamW.
        num_steps: Length of the cosine schedule that lowers the learning rate to 1 %.
        num_warmup: Steps of linear warm-up.
        ema_half_life: Half-life of the averaged weights, in photos.
        precision: Compute dtype of the network.
        num_accumulate: Parts that a batch is split into.
    """

    def __init__(
        self,
        network: U2Net,
        *,
        initial: str | Path | None = None,
        learning_rate: float = 5e-4,
        weight_decay: float = 1e-3,
        num_steps: int = 1000,
        num_warmup: int = 50,
        ema_half_life: float = 4000.0,
        precision: Precision = "fp32",
        num_accumulate: int = 1,
    ) -> None:
        if initial is not None and Path(initial).suffix == ".safetensors":
            former = checkpoints.load(initial, U2Net)
            network.load_state_dict(add_classes(former, network.num_classes).state_dict())
        elif initial is not None:
            load_sky_weights(network, initial)
        self.network = network.to(memory_format=torch.channels_last).train()
        weights = list(network.parameters())
        update = Update(
            weights,
            torch.optim.AdamW(weights, lr=learning_rate, weight_decay=weight_decay),
            precision=precision,
            num_accumulate=num_accumulate,
        )
        super().__init__(
            network,
            update,
            num_steps=num_steps,
            num_warmup=num_warmup,
            ema_half_life=ema_half_life,
        )

    def to(self, device: torch.device) -> None:
        """Moves the network and its average."""
        self.network.to(device)
        self.averaged.to(device)

    def loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Weighted cross-entropy of the output and of the side outputs.

        Args:
            batch: A batch of :class:`~stylecinegan.data.composites.Composites`.
        """
        image = batch["image"]
        if self.network.training:
            image = change_colors(image, torch.rand(len(image), 3).to(image))
        image = image.contiguous(memory_format=torch.channels_last)
        fused, *sides = (
            soft_cross_entropy(logits.float(), batch) for logits in self.network.outputs(image)
        )
        side = torch.stack(sides).mean()
        return fused + SIDE_WEIGHT * side, {"entropy": fused, "side_entropy": side}

    def export(self, directory: Path) -> None:
        """Writes the averaged network as ``segmentation.safetensors``, 8 bits a weight."""
        directory.mkdir(parents=True, exist_ok=True)
        exported = U2Net(**self.network.arguments)
        exported.load_state_dict(self.averaged.module.state_dict())
        notes = {
            "task": "segmentation",
            "step": str(self.step_number),
            "initial": "github xiongzhu666/Sky-Segmentation-and-Post-processing (MIT)",
        }
        path = directory / "segmentation.safetensors"
        checkpoints.save(path, exported, notes=notes, use_bytes=True)


def soft_cross_entropy(logits: Tensor, batch: Terms) -> Tensor:
    """Weighted cross-entropy with soft labels, the loss of :class:`SegmentationTask`.

    Args:
        logits: ``[B, classes, H, W]``; class 1 is the sky.
        batch: ``target``, ``[B, classes, H, W]``, ``weight`` and ``knows_water``,
            ``[B, 1, H, W]``.
    """
    target, weight, known = batch["target"], batch["weight"], batch["knows_water"]
    log_probability = logits.log_softmax(dim=1)
    full = -(target * log_probability).sum(dim=1, keepdim=True)
    sky, log_sky = target[:, 1:2], log_probability[:, 1:2]
    others = [number for number in range(logits.shape[1]) if number != 1]
    log_rest = log_probability[:, others].logsumexp(dim=1, keepdim=True)
    merged = -(sky * log_sky + (1.0 - sky) * log_rest)
    loss = torch.where(known > 0.5, full, merged)
    return (weight * loss).sum() / weight.sum()
