"""Builds the page of a user study: stylecinegan user_study videos=FOLDER photos=FOLDER"""  # noqa: D415

import logging

import hydra
from omegaconf import DictConfig

from stylecinegan.cli import command_line
from stylecinegan.cli.command_line import CONFIGS_DIR
from stylecinegan.cli.sweeps import job_path
from stylecinegan.user_study.study import build_study

logger = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=str(CONFIGS_DIR), config_name="user_study")
@command_line.errors_in_one_line
def main(cfg: DictConfig) -> None:
    """Writes the study and logs instructions."""
    folder = job_path(cfg.output_dir)
    study = build_study(
        cfg.videos,
        cfg.photos,
        folder,
        ours=cfg.ours,
        num_scored=cfg.num_scored,
        num_paired=cfg.num_paired,
        seed=cfg.seed,
        title=cfg.title,
    )
    logger.info(
        "%s: %d questions. Put this folder on any web server, or open its index.html; keep %s "
        "to yourself.\nWith the saved answers in %s: stylecinegan evaluate table=2 "
        "table.study=%s",
        study.page_dir,
        study.num_questions,
        folder / "key.json",
        folder / "answers",
        folder,
    )


def run() -> None:
    """Runs the command with the arguments of the process."""
    command_line.run(main, "user_study")
