"""The tasks whose common promises test_contract.py checks, each at toy size."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from stylecinegan.backbones.u2net import U2Net
from stylecinegan.mask import MaskEnsemble
from stylecinegan.tasks.segmentation import SegmentationTask
from tests.baselines import test_emf_task, test_mocogan_hd_task
from tests.tasks import (
    test_appearance,
    test_encoder,
    test_generator,
    test_layout_gan,
    test_mask,
    test_motion,
    test_projected_gan,
    test_semantic,
    test_style_branch,
    test_texture_gan,
)
from tests.tasks.batches import landscapes
from tests.tasks.toy_networks import write_networks

Batch = dict[str, torch.Tensor]


class Falling(NamedTuple):
    """A loss term that one batch, shown again and again, brings down to a share of its start."""

    term: str
    num_steps: int
    share: float
    settings: dict[str, Any]


@dataclass(frozen=True)
class Contract:
    """One task at toy size.

    Attributes:
        make: Makes the task from a folder for its files, SqueezeNet's file and further settings.
        batch: Makes a batch.
        trained: Attributes of the task whose weights every step changes.
        frozen: Attributes whose weights no step changes.
        exported: The networks that the export writes, by file name.
        falling: The term that training lowers; adversarial terms need not fall.
        resumes_exactly: Whether a resumed run takes the very steps of an uninterrupted one.
        below_rounding: Logged terms that the rounding of bf16 is as large as.
    """

    make: Callable[..., Any]
    batch: Callable[[], Batch]
    trained: tuple[str, ...]
    exported: Callable[[Any], dict[str, nn.Module]]
    frozen: tuple[str, ...] = ()
    falling: Falling | None = None
    resumes_exactly: bool = True
    below_rounding: tuple[str, ...] = ()


def soft_labels() -> Batch:
    """Photos with target probabilities, weights and a sample whose water is not labelled."""
    batch = landscapes(64, 2)
    target = nn.functional.one_hot(batch["label"], 4).permute(0, 3, 1, 2).float()
    return {
        "image": batch["image"],
        "target": target,
        "weight": torch.ones(2, 1, 64, 64),
        "knows_water": torch.tensor([1.0, 0.0]).view(2, 1, 1, 1),
    }


def make_segmentation(folder: Path, squeezenet: Path, **settings: Any) -> SegmentationTask:
    torch.manual_seed(0)
    return SegmentationTask(
        U2Net(4), **{"learning_rate": 2e-3, "num_warmup": 1, "num_steps": 40, **settings}
    )


def make_reconstructing_generator(folder: Path, squeezenet: Path, **settings: Any) -> Any:
    return test_generator.make_bottom_task(**settings)


def make_projected_generator(folder: Path, squeezenet: Path, **settings: Any) -> Any:
    settings = {"discriminator": "projected", "discriminator_width": 8, **settings}
    return test_generator.make_bottom_task(squeezenet, **settings)


def make_projected_gan(folder: Path, squeezenet: Path, **settings: Any) -> Any:
    test_projected_gan.write_initial(folder)
    return test_projected_gan.make_task(folder, squeezenet, **settings)


def make_layout_gan(folder: Path, squeezenet: Path, **settings: Any) -> Any:
    return test_layout_gan.make_task(squeezenet, **settings)


def make_texture_gan(folder: Path, squeezenet: Path, **settings: Any) -> Any:
    write_networks(folder, squeezenet)
    return test_texture_gan.make_task(folder, squeezenet, **settings)


def make_style_branch(folder: Path, squeezenet: Path, **settings: Any) -> Any:
    write_networks(folder, squeezenet, shares_layers=True)
    return test_style_branch.make_task(folder, squeezenet, **settings)


def _alone(make: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a task that needs no files."""
    return lambda folder, squeezenet, **settings: make(**settings)


def _written(write: Callable[[Path], None], make: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a task over networks that are written first."""

    def both(folder: Path, squeezenet: Path, **settings: Any) -> Any:
        write(folder)
        return make(folder, **settings)

    return both


def _averaged(name: str) -> Callable[[Any], dict[str, nn.Module]]:
    return lambda task: {f"{name}.safetensors": task.averaged.module}


def _averaged_each(task: Any) -> dict[str, nn.Module]:
    return {f"{name}.safetensors": m for name, m in task.averaged.module.named_children()}


def _best_ensemble(task: Any) -> dict[str, nn.Module]:
    best = MaskEnsemble(**task.ensemble.arguments)
    best.load_state_dict(task.best)
    return {"mask.safetensors": best}


def _averaged_context(task: Any) -> dict[str, nn.Module]:
    ensemble = MaskEnsemble(**task.ensemble.arguments)
    ensemble.load_state_dict(task.ensemble.state_dict())
    ensemble.context.load_state_dict(task.averaged.module.state_dict())
    return {"mask.safetensors": ensemble}


CONTRACTS = {
    "appearance": Contract(
        _written(test_appearance.write_decoder, test_appearance.make_task),
        lambda: landscapes(32),
        trained=("generator",),
        frozen=("encoder", "generator.mapping"),
        exported=lambda task: {"encoder.safetensors": task.encoder},
        falling=Falling("pixel", 15, 0.7, {"modulation_learning_rate": 3.0, "learning_rate": 1e-2}),
    ),
    "emf": Contract(
        _alone(test_emf_task.make_task),
        test_emf_task.make_batch,
        trained=("network",),
        exported=_averaged("emf"),
        falling=Falling("pixel", 60, 0.3, {"num_warmup": 5}),
    ),
    "encoder": Contract(
        _alone(test_encoder.make_task),
        lambda: landscapes(32),
        trained=("encoder", "generator"),
        exported=_averaged_each,
        falling=Falling("rmse", 150, 0.3, {}),
    ),
    "generator": Contract(
        _alone(test_generator.make_task),
        lambda: landscapes(32),
        trained=("generator", "discriminator"),
        exported=_averaged_each,
    ),
    "generator, reconstructing": Contract(
        make_reconstructing_generator,
        lambda: landscapes(256, 2),
        trained=("generator", "discriminator", "reconstruction.encoder"),
        exported=_averaged_each,
        falling=Falling(
            "feature",
            25,
            0.08,
            {
                "reconstruction_share": 1.0,
                "adversarial_weight": 0.0,
                "code_weight": 0.0,
                "learning_rate": 1e-2,
            },
        ),
    ),
    "generator, projected": Contract(
        make_projected_generator,
        lambda: landscapes(256, 2),
        trained=("generator", "discriminator"),
        frozen=("features",),
        exported=_averaged_each,
    ),
    "layout_gan": Contract(
        make_layout_gan,
        lambda: landscapes(32),
        trained=("network.generator.mapping", "network.to_rgbs", "discriminators"),
        frozen=("trunks", "network.generator.feature_projection"),
        exported=lambda task: {"layout.safetensors": task.averaged.module.generator},
    ),
    "mask": Contract(
        _alone(test_mask.small_task),
        lambda: landscapes(64),
        trained=("ensemble.members",),
        frozen=("model.generator", "model.encoder", "ensemble.context"),
        exported=_best_ensemble,
        falling=Falling("pixel", 6, 0.7, {"updates_per_step": 10}),
        resumes_exactly=False,  # the replay buffer is filled anew
    ),
    "mocogan_hd": Contract(
        _written(test_mocogan_hd_task.write_generator, test_mocogan_hd_task.make_task),
        test_mocogan_hd_task.make_batch,
        trained=("motion", "discriminators"),
        frozen=("generator",),
        exported=_averaged("mocogan_hd"),
        below_rounding=("drift",),  # of trajectories that hardly move as yet
        falling=Falling("noise", 60, 0.75, {"image_weight": 0.0, "matching_weight": 0.0}),
    ),
    "motion": Contract(
        _alone(test_motion.make_task),
        test_motion.make_batch,
        trained=("generator", "discriminator"),
        exported=_averaged("motion"),
        falling=Falling("end_point", 120, 0.2, {"is_adversarial": False}),
    ),
    "projected_gan": Contract(
        make_projected_gan,
        lambda: landscapes(128),
        trained=("generator", "discriminators"),
        frozen=("encoder", "efficientnet", "squeezenet"),
        exported=lambda task: {"generator.safetensors": task.averaged.module},
    ),
    "segmentation": Contract(
        make_segmentation,
        soft_labels,
        trained=("network",),
        exported=_averaged("segmentation"),
        falling=Falling("entropy", 20, 0.7, {}),
    ),
    "semantic": Contract(
        _alone(test_semantic.make_task),
        lambda: landscapes(64),
        trained=("context",),
        exported=_averaged_context,
        falling=Falling("entropy", 60, 0.5, {}),
    ),
    "style_branch": Contract(
        make_style_branch,
        lambda: landscapes(128),
        trained=("heads",),
        frozen=("encoder", "network", "features"),
        exported=lambda task: {"encoder.safetensors": task.averaged_encoder()},
        falling=Falling("pixel", 60, 0.8, {"dropout": 0.0, "learning_rate": 1e-2}),
    ),
    "texture_gan": Contract(
        make_texture_gan,
        lambda: landscapes(128),
        trained=(
            "network.generator.convs.9",
            "network.generator.convs.10",
            "network.generator.feature_projection",
            "discriminators",
        ),
        frozen=(
            "encoder",
            "trunks",
            "network.to_rgbs",
            "network.generator.mapping",
            "network.generator.convs.8",
            "network.generator.convs.11",
            "network.generator.to_rgbs",
        ),
        exported=lambda task: {"generator.safetensors": task.averaged.module.generator},
    ),
}
