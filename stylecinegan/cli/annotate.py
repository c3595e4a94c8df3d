"""Writes templates for labelling by hand: stylecinegan annotate photos=FOLDER folder=OUT

With sampled landscapes: stylecinegan annotate seeds=0-31 folder=OUT
Checks finished labels: stylecinegan annotate check=OUT
"""  # noqa: D415

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import hydra
import numpy as np
import torch
import torch.nn.functional as F
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor
from tqdm import tqdm

from stylecinegan import StyleCineGAN, io
from stylecinegan.cli import command_line
from stylecinegan.cli.command_line import CONFIGS_DIR
from stylecinegan.cli.seeds import parse_seeds
from stylecinegan.cli.sweeps import job_path
from stylecinegan.data import annotation_folder
from stylecinegan.data.label_pictures import write_label
from stylecinegan.data.pictures import PictureFolder, stem
from stylecinegan.errors import InputError
from stylecinegan.inputs import check_number, choose_device

logger = logging.getLogger(__name__)

Sources = dict[str, Callable[[], Tensor]]
"""Functions that read pictures, by name."""


@hydra.main(version_base="1.3", config_path=str(CONFIGS_DIR), config_name="annotate")
@command_line.errors_in_one_line
def main(cfg: DictConfig) -> None:
    """Writes photos and label templates, or checks labels.

    Raises:
        InputError: If not exactly one source is given, or the folder is missing.
    """
    given = [key for key in ("photos", "seeds", "check") if cfg[key] is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise InputError(f"one of photos=FOLDER, seeds=0-31, check=FOLDER is needed, got {found}")
    if cfg.check is not None:
        check(Path(cfg.check))
    elif cfg.folder is None:
        raise InputError("folder=FOLDER is needed to write photos and labels to, got none")
    else:
        write(cfg, job_path(cfg.folder))


def check(folder: Path) -> None:
    """Logs invalid files with reasons, and a summary of the others.

    Raises:
        InputError: If a file is invalid.
    """
    result = annotation_folder.check_folder(folder)
    for problem in result.problems:
        logger.error(problem)
    logger.info(result.summary())
    if result.problems:
        raise InputError(f"wanted labels to train on, problems found: {len(result.problems)}")
    logger.info(
        "train on them: stylecinegan train experiment=mask data.dir=%s data.labels_dir=%s",
        result.photos_dir,
        result.labels_dir,
    )


def write(cfg: DictConfig, folder: Path) -> None:
    """Writes missing photos and label templates; existing files are kept."""
    model: StyleCineGAN = instantiate(cfg.model).to(choose_device(cfg.device))
    if cfg.seeds is None:
        check_number("num", cfg.num, least=1, is_whole=True)
        sources = list_photos(cfg.photos, cfg.num, folder)
    else:
        sources = list_samples(cfg.seeds, model)
    annotation_folder.write_guide(folder)
    num_written = 0
    for name, read in tqdm(sources.items(), unit="picture"):
        photo_file = annotation_folder.photo_file(folder, name)
        label_file = annotation_folder.label_file(folder, name)
        if not photo_file.exists():
            io.write_image(photo_file, read())
        if not label_file.exists():
            # Read again, because the label has to fit the file, which may have existed before.
            photo = io.read_image(photo_file)
            static = np.zeros(photo.shape[2:], np.uint8)
            write_label(label_file, predict_classes(model, photo) if cfg.prefill else static)
            num_written += 1
    logger.info(
        "%s: %d templates written, %d kept", folder, num_written, len(sources) - num_written
    )


def list_photos(path: str, num: int, folder: Path) -> Sources:
    """Draws photos deterministically; a larger draw contains the smaller ones.

    Args:
        path: Folder or zip file of photos.
        num: Number of photos, at most all.
        folder: Folder to write to.

    Raises:
        InputError: If ``folder`` is inside ``path``, or two photos have one name.
    """
    if folder.resolve().is_relative_to(Path(path).resolve()):
        raise InputError(f"folder must lie outside of {path}, got {folder}")
    photos = PictureFolder(path)
    order = np.random.default_rng(0).permutation(len(photos.names))
    sources: Sources = {}
    for name in sorted(photos.names[index] for index in order[:num]):
        if stem(name) in sources:
            raise InputError(f"photos must have different names, got two of {stem(name)}")
        sources[stem(name)] = partial(photos.read_photo, name)
    return sources


def list_samples(seeds: object, model: StyleCineGAN) -> Sources:
    """Lists the sampled landscapes of seeds.

    Args:
        seeds: A number, or a range such as ``"0-31"``.
        model: Samples the landscapes.

    Raises:
        InputError: If ``seeds`` is neither.
    """
    return {f"seed{seed:05d}": partial(model.sample, seed) for seed in parse_seeds(seeds)}


def predict_classes(model: StyleCineGAN, photo: Tensor) -> np.ndarray:
    """Predicts the class of every pixel, with the edges of the refined mask.

    Args:
        model: The model.
        photo: ``[1, 3, H, W]`` in [-1, 1].

    Returns:
        0 static, 1 sky, 2 water, uint8, ``[H, W]``.
    """
    prediction = model.segment(photo.to(next(model.parameters()).device))
    probabilities = F.interpolate(
        prediction.classes.probabilities, photo.shape[2:], mode="bilinear"
    )
    moving = 1 + probabilities[:, 1:].argmax(dim=1)
    classes = torch.where(prediction.mask[:, 0] > 0.5, moving, 0)
    return classes[0].to(torch.uint8).cpu().numpy()


def run() -> None:
    """Runs the command with the arguments of the process."""
    command_line.run(main, "annotate")
