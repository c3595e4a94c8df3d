"""Settings of a scene: mask, its corrections, motion, and rendering."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from stylecinegan import Cinemagraph, Scene, StyleCineGAN, io
from stylecinegan.appearance import StyleTarget
from stylecinegan.cli.style_settings import make_style
from stylecinegan.errors import InputError
from stylecinegan.mask.prediction import Region
from stylecinegan.motion.controls import (
    ANCHOR_RADIUS,
    DIRECTIONS,
    Hints,
    combine_hints,
    read_hints,
)
from stylecinegan.motion.controls.speeds import normalize_points

logger = logging.getLogger(__name__)

REGION_OF: dict[str, Region] = {"auto": "both", "sky": "sky", "water": "water", "all": "both"}
"""Region of the mask prediction for each word of ``mask=``; other values are files."""


def make_scene(
    cfg: DictConfig,
    model: StyleCineGAN,
    photo: Tensor,
    original: Tensor,
    opacity: Tensor | None = None,
) -> Scene:
    """Creates the scene of a photo with the mask, corrections and motion of the settings.

    Args:
        cfg: The settings of ``generate``.
        model: The model.
        photo: ``[1, 3, H, W]`` in [-1, 1], resized.
        original: The photo before resizing; pixel coordinates of arrows and anchors refer to it.
        opacity: Alpha channel of the photo, ``[1, 1, H, W]`` in [0, 1], if it has one.

    Raises:
        InputError: If a file cannot be read, a control is invalid, or the mask is empty.
    """
    size = (photo.shape[2], photo.shape[3])
    is_predicted = cfg.mask in REGION_OF
    scene = model.scene(
        photo,
        region=REGION_OF.get(cfg.mask, "both"),
        caution=cfg.mask_caution,
        animate_all_if_small=cfg.mask_small == "everything",
        num_inversion_steps=cfg.inversion.steps,
        opacity=opacity,
        original=original,
    )
    if cfg.mask == "all":
        scene.mask = torch.ones_like(photo[:, :1])
    elif not is_predicted:
        scene.mask = io.read_mask(cfg.mask, size)
    add, remove = (
        None if path is None else io.read_mask(path, size)
        for path in (cfg.mask_add, cfg.mask_remove)
    )
    scene.paint(add=add, remove=remove)
    if not is_predicted and not bool((scene.mask > 0.5).any()):
        raise InputError(
            f"the mask is empty: wanted white for the moving region in {cfg.mask}"
            + (f" outside {cfg.mask_remove}" if cfg.mask_remove else "")
        )
    if cfg.motion == "auto" and model.motion_generator is None:
        logger.info("the model has no motion.safetensors: everything moves to the right")
    is_word = cfg.motion == "auto" or cfg.motion in DIRECTIONS
    scene.motion(
        cfg.motion if is_word else io.read_motion(cfg.motion),
        **read_controls(cfg, (original.shape[2], original.shape[3])),
        speed_sky=cfg.speed_sky,
        speed_water=cfg.speed_water,
    )
    return scene


def animate_scene(
    cfg: DictConfig, model: StyleCineGAN, scene: Scene, target: StyleTarget | None
) -> Cinemagraph:
    """Animates a scene with the style, rendering and camera of the settings.

    Args:
        cfg: The settings of ``generate``.
        model: The model.
        scene: The scene.
        target: The style, if there is one.

    Raises:
        InputError: If an argument is out of range, or the mask is empty.
    """
    style = None
    if target is not None:
        style = make_style(cfg, target.codes_for(model.generator, scene.inversion))
    return scene.animate(
        cfg.num_frames,
        warping=instantiate(cfg.warping),
        style=style,
        camera=cfg.camera,
        camera_amount=cfg.camera_amount,
        depth=None if cfg.depth is None else io.read_depth(cfg.depth),
    )


def read_arrows(
    arrows: str | Sequence[Sequence[float]], original_size: tuple[int, int]
) -> Sequence[Sequence[float]]:
    """Reads arrows from a LabelMe file; arrows given as numbers are returned unchanged.

    Args:
        arrows: Path of the file, or ``[[x0, y0], [x1, y1], …]`` or ``[x0, y0, x1, y1]`` each.
        original_size: As for :func:`make_scene`.

    Raises:
        InputError: If the file cannot be read.
    """
    return io.read_labelme(arrows).arrows(original_size) if isinstance(arrows, str) else arrows


def read_controls(cfg: DictConfig, original_size: tuple[int, int]) -> dict[str, Any]:
    """Merges the hints of a file with those of the settings, which take precedence.

    Args:
        cfg: The settings of ``generate``.
        original_size: As for :func:`make_scene`.

    Returns:
        Keyword arguments of :meth:`~stylecinegan.scene.Scene.motion`.
    """
    hints = Hints() if cfg.hints is None else read_hints(cfg.hints)
    hints = combine_hints(
        hints,
        original_size,
        arrows=read_arrows(cfg.arrows, original_size),
        anchors=cfg.anchors,
        text=cfg.text or "",
    )
    controls = hints.controls()
    if cfg.hints is None or cfg.speed != 1.0:
        controls["speed"] = cfg.speed
    if cfg.hints is None or cfg.anchor_radius != ANCHOR_RADIUS:
        controls["anchor_radius"] = cfg.anchor_radius
    if cfg.speeds:
        controls["speeds"] = normalize_points(cfg.speeds, original_size)
    return controls
