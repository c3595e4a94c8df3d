"""Makes training data.

stylecinegan prepare_data task=motion source=VIDEOS output=FOLDER
stylecinegan prepare_data task=labels source=PHOTOS output=FOLDER teacher=WEIGHTS
stylecinegan prepare_data task=composites source=PHOTOS skies=LABELS output=sheet.png

To resume, run the same command again.
"""

import logging
from multiprocessing.pool import ThreadPool

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from stylecinegan import io
from stylecinegan.backbones.u2net import U2Net, load_sky_weights
from stylecinegan.cli import command_line
from stylecinegan.cli.command_line import CONFIGS_DIR
from stylecinegan.cli.sweeps import job_path
from stylecinegan.data.composite_sheet import composite_sheet
from stylecinegan.data.composites import Composites
from stylecinegan.data.motion_pairs import check_settings
from stylecinegan.data.motion_sources import Source, find_sources, prepare
from stylecinegan.data.pictures import PictureFolder
from stylecinegan.data.sky_labels import write_sky_labels
from stylecinegan.errors import InputError
from stylecinegan.inputs import check_number, choose_device

logger = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=str(CONFIGS_DIR), config_name="prepare_data")
@command_line.errors_in_one_line
def main(cfg: DictConfig) -> None:
    """Makes the data of the chosen task."""
    cfg.output = str(job_path(cfg.output))
    tasks = {"labels": label_skies, "motion": pair_motion, "composites": show_composites}
    tasks[HydraConfig.get().runtime.choices["task"]](cfg)


def label_skies(cfg: DictConfig) -> None:
    """Writes soft labels of the sky of every photo, predicted by a teacher network.

    Raises:
        InputError: If a setting is invalid, or there is no teacher.
    """
    check_number("side", cfg.side, least=64, is_whole=True)
    if cfg.teacher is None:
        raise InputError("teacher=FILE is needed: public weights of U²-Net-p for skies (.npz)")
    device = choose_device(cfg.device)
    teacher = U2Net().eval().requires_grad_(False)
    load_sky_weights(teacher, cfg.teacher)
    photos = PictureFolder(cfg.source)
    written = write_sky_labels(teacher.to(device), photos, cfg.output, side=cfg.side)
    num_written = sum(1 for _ in tqdm(written, total=len(photos.names), unit="photo"))
    logger.info("%d soft labels written to %s", num_written, cfg.output)


def show_composites(cfg: DictConfig) -> None:
    """Writes a contact sheet of training samples of the segmentation network."""
    check_number("number", cfg.number, least=1, is_whole=True)
    check_number("crop", cfg.crop, least=64, is_whole=True)
    samples = Composites(
        cfg.source,
        cfg.skies,
        cfg.labels,
        crop=cfg.crop,
        object_share=cfg.object_share,
        seed=cfg.seed,
    )
    io.write_image(cfg.output, composite_sheet(samples, cfg.number))
    logger.info("the contact sheet is in %s", cfg.output)


def pair_motion(cfg: DictConfig) -> None:
    """Estimates the motion of every clip and writes the pairs."""
    check_number("side", cfg.side, least=64, is_whole=True)
    check_number("num_frames", cfg.num_frames, least=4, is_whole=True)
    check_number("num_workers", cfg.num_workers, least=1, is_whole=True)
    settings = {name: cfg[name] for name in ("side", "num_frames", "camera")}
    sources = find_sources(cfg.source, **settings)
    check_settings(cfg.output, settings)
    num_clips = sum(len(source.names) for source in sources)
    num_written = num_refused = 0

    def work(source: Source) -> list[tuple[str, str | None]]:
        results = []
        for result in prepare(source, cfg.output):
            results.append(result)
            progress.update()
        return results

    with (
        tqdm(total=num_clips, unit="clip") as progress,
        logging_redirect_tqdm(),
        ThreadPool(cfg.num_workers) as pool,  # OpenCV and FFmpeg compute outside Python's lock
    ):
        for results in pool.imap_unordered(work, sources):
            for name, refusal in results:
                if refusal is None:
                    num_written += 1
                else:
                    num_refused += 1
                    logger.warning("left out %s: %s", name, refusal)
    num_finished = num_clips - num_written - num_refused
    logger.info(
        "%d clips: %d written to %s, %d left out, %d finished before",
        num_clips,
        num_written,
        cfg.output,
        num_refused,
        num_finished,
    )


def run() -> None:
    """Runs the command with the arguments of the process."""
    command_line.run(main, "prepare_data")
