"""Measures one table: stylecinegan evaluate table=5"""  # noqa: D415

import logging
from datetime import UTC, datetime

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from stylecinegan import StyleCineGAN
from stylecinegan.benchmarks.machine import describe_machine
from stylecinegan.cli import command_line
from stylecinegan.cli.command_line import CONFIGS_DIR
from stylecinegan.cli.sweeps import job_path
from stylecinegan.evaluation.report import write_table
from stylecinegan.inputs import check_precision

logger = logging.getLogger(__name__)

WITHOUT_MODEL = ("2", "3")
"""Tables that need no model: those of the user study."""


@hydra.main(version_base="1.3", config_path=str(CONFIGS_DIR), config_name="evaluate")
@command_line.errors_in_one_line
def main(cfg: DictConfig) -> None:
    """Measures a table, writes and logs it."""
    check_precision(cfg.precision)
    measure = instantiate(cfg.table)
    name = HydraConfig.get().runtime.choices["table"]
    model: StyleCineGAN | None = None
    if name not in WITHOUT_MODEL:
        model = instantiate(cfg.model, precision=cfg.precision)
    output_dir = job_path(cfg.output_dir)
    context = {
        "name": name,
        "settings": OmegaConf.to_container(cfg, resolve=True),
        "commit": command_line.commit(),  # before measuring, during which the checkout may change
        "machine": describe_machine(torch.device("cpu")),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    table = measure(model, output_dir)
    logger.info("%s\nThe table is in %s", write_table(table, output_dir, context), output_dir)


def run() -> None:
    """Runs the command with the arguments of the process."""
    command_line.run(main, "evaluate")
