"""Intermediate results beside a video (save_intermediate=true)."""

import json
from pathlib import Path

from stylecinegan import Cinemagraph, StyleCineGAN, io, visualization
from stylecinegan.appearance import StyleTarget, describe_inversion, write_latent
from stylecinegan.metrics.loop_quality import LoopQuality


def write_intermediate(video: Path, cinemagraph: Cinemagraph, quality: LoopQuality) -> None:
    """Writes mask, motion, inversion and loop quality.

    Args:
        video: Path of the video; its name without the suffix begins the names of the files.
        cinemagraph: The cinemagraph.
        quality: Quality of its frames.
    """
    base = video.with_suffix("")
    io.write_mask(f"{base}_mask.png", cinemagraph.mask)
    io.write_motion(f"{base}_motion.npy", cinemagraph.motion)
    io.write_image(f"{base}_motion.png", visualization.motion_to_image(cinemagraph.motion))
    io.write_image(f"{base}_inversion.png", cinemagraph.inversion.image)
    figures = json.dumps(quality.result(), indent=2)
    Path(f"{base}_loop.json").write_text(figures + "\n")


def write_descriptors(
    video: Path, model: StyleCineGAN, cinemagraph: Cinemagraph, target: StyleTarget | None
) -> None:
    """Writes appearance descriptors of the photo and of its style, for ``style=``.

    Args:
        video: As for :func:`write_intermediate`.
        model: The model.
        cinemagraph: The cinemagraph.
        target: The style, if there is one.
    """
    base = video.with_suffix("")
    inversion = cinemagraph.inversion
    write_latent(f"{base}_latent.safetensors", describe_inversion(model.generator, inversion))
    if target is not None:
        style = target.description(model.generator, inversion)
        write_latent(f"{base}_style.safetensors", style)
