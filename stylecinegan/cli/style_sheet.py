"""Contact sheet of styles: stylecinegan style_sheet photo=lake.jpg

By default of the principal components of w; of others: styles=[dusk.jpg,7] strengths=[0,0.5,1]
"""  # noqa: D415

import logging
from dataclasses import replace

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig
from torch import Tensor
from tqdm import tqdm

from stylecinegan import StyleCineGAN, io, visualization
from stylecinegan.appearance import Style, StyleChange, read_style
from stylecinegan.appearance.restyling import restyling
from stylecinegan.cli import command_line
from stylecinegan.cli.command_line import CONFIGS_DIR
from stylecinegan.cli.style_settings import check_picture_settings, chosen_layers, make_target
from stylecinegan.cli.sweeps import job_path
from stylecinegan.errors import InputError
from stylecinegan.inputs import check_number, choose_device, choose_precision, resize_photo

logger = logging.getLogger(__name__)

SHEET_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@hydra.main(version_base="1.3", config_path=str(CONFIGS_DIR), config_name="style_sheet")
@command_line.errors_in_one_line
def main(cfg: DictConfig) -> None:
    """Writes the sheet and logs its rows and columns."""
    check_settings(cfg)
    sheet = job_path(cfg.sheet)
    io.check_writable(sheet, SHEET_SUFFIXES)
    device = choose_device(cfg.device)
    styles = [read_style(name) for name in list_styles(cfg)]
    photo = None if cfg.photo is None else io.read_image(cfg.photo)
    precision = choose_precision(cfg.precision, device)
    model: StyleCineGAN = instantiate(cfg.model, precision=precision).to(device)
    if photo is None:
        photo = model.sample(cfg.seed, truncation=cfg.truncation)
    pictures = restyle(cfg, model, resize_photo(photo, cfg.size).to(device), styles)
    io.write_image(sheet, visualization.contact_sheet(pictures, len(cfg.strengths)))
    for number, name in enumerate(list_styles(cfg), start=1):
        logger.info("row %d: %s", number, name)
    logger.info("columns: β = %s", ", ".join(f"{strength:g}" for strength in cfg.strengths))
    logger.info("the sheet is in %s", sheet)


def check_settings(cfg: DictConfig) -> None:
    """Checks the settings.

    Raises:
        InputError: If one is invalid.
    """
    if (cfg.photo is None) == (cfg.seed is None):
        raise InputError("one of photo=FILE and seed=NUMBER is needed, got both or none")
    if cfg.seed is not None:
        check_number("seed", cfg.seed, least=0, is_whole=True)
    check_number("num_components", cfg.num_components, least=1, is_whole=True)
    check_picture_settings(cfg)
    if cfg.styles is not None and not isinstance(cfg.styles, ListConfig):
        cfg.styles = [cfg.styles]  # a single one needs no brackets
    if not cfg.strengths or any(not isinstance(x, int | float) for x in cfg.strengths):
        raise InputError(f"strengths must be numbers, one a column, got {cfg.strengths}")


def list_styles(cfg: DictConfig) -> list[str]:
    """Styles of the rows, as specified by the user."""
    if cfg.styles is not None:
        return [str(style) for style in cfg.styles]
    return [f"pc{number}:+1" for number in range(1, cfg.num_components + 1)]


def restyle(
    cfg: DictConfig, model: StyleCineGAN, photo: Tensor, styles: list[Style]
) -> list[Tensor]:
    """Computes I + ΔI_s (Eq. 7) for every style and strength.

    Args:
        cfg: The settings of ``style_sheet``.
        model: The model.
        photo: I, ``[1, 3, H, W]`` in [-1, 1].
        styles: The styles.

    Returns:
        Pictures row by row, a style in each row, ``[1, 3, H, W]`` in [-1, 1].
    """
    inversion = model.invert(photo)
    height, width = photo.shape[2:]
    pictures = []
    for style in tqdm(styles, unit="style"):
        target = make_target(cfg, style, model)
        # A slider with a negative strength is the opposite slider; towards a picture, negative
        # strengths extrapolate.
        opposite = replace(target, codes=-target.codes) if target.is_offset else None
        for strength in cfg.strengths:
            shown = opposite if opposite is not None and strength < 0 else target
            codes = shown.codes_for(model.generator, inversion)
            change = StyleChange(codes, layers=chosen_layers(cfg))
            restyled = restyling(model.generator, inversion, photo, change)
            _, difference = restyled(-strength if shown is opposite else strength)
            pictures.append((photo + difference[:, :, :height, :width]).clamp(-1.0, 1.0))
    return pictures


def run() -> None:
    """Runs the command with the arguments of the process."""
    command_line.run(main, "style_sheet")
