"""Trains a network: stylecinegan train experiment=generator data.dir=FOLDER

To resume, run the same command again. On the 8 GPUs of a machine:
torchrun --nproc-per-node=8 -m stylecinegan train experiment=generator data.dir=FOLDER
"""  # noqa: D415

import logging
import os
import random
from pathlib import Path

import hydra
import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from stylecinegan.cli import command_line
from stylecinegan.cli.command_line import CONFIGS_DIR
from stylecinegan.data.batches import Batches
from stylecinegan.data.resident import ResidentBatches
from stylecinegan.errors import InputError
from stylecinegan.freed_memory import keep_all_freed_memory
from stylecinegan.inputs import check_number, check_precision
from stylecinegan.training import distributed
from stylecinegan.training.loop import train
from stylecinegan.training.rendezvous import read_rendezvous


@hydra.main(version_base="1.3", config_path=str(CONFIGS_DIR), config_name="train")
@command_line.errors_in_one_line
def main(cfg: DictConfig) -> None:
    """Runs the experiment in this process."""
    check_settings(cfg)
    device = distributed.local_device(cfg.device)
    with distributed.process_group(device, timeout_s=cfg.distributed.timeout_s):
        run_experiment(cfg, device, Path(HydraConfig.get().runtime.output_dir))


def check_settings(cfg: DictConfig) -> None:
    """Checks the settings.

    Raises:
        InputError: If a number is out of its range, or a batch cannot be divided among processes.
    """
    for name, least in {"num_steps": 1, "batch_size": 1, "num_accumulate": 1, "keep": 1}.items():
        check_number(name, cfg[name], least=least, is_whole=True)
    for name in ("seed", "num_workers", "sample_every"):
        check_number(name, cfg[name], least=0, is_whole=True)
    for name in ("save_every", "log_every"):
        check_number(name, cfg[name], least=1, is_whole=True)
    for name in ("max_seconds", "export_seconds"):
        if cfg[name] is not None:
            check_number(name, cfg[name], least=0)
    check_number("distributed.timeout_s", cfg.distributed.timeout_s, least=1)
    check_precision(cfg.precision)
    rendezvous = read_rendezvous(os.environ)
    num_processes = rendezvous.world_size if rendezvous else 1
    if cfg.batch_size % (num_processes * cfg.num_accumulate):
        raise InputError(
            f"batch_size must be a multiple of {num_processes} processes times num_accumulate="
            f"{cfg.num_accumulate}, got {cfg.batch_size}"
        )


def run_experiment(cfg: DictConfig, device: torch.device, run_dir: Path) -> None:
    """Builds task and data, trains, and exports the weights."""
    if not distributed.is_main():
        logging.getLogger().setLevel(logging.WARNING)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    if distributed.is_main():
        write_settings(cfg, run_dir)
    if device.type == "cpu":
        keep_all_freed_memory()
    seed_everything(cfg.seed)  # the same on all ranks, for equal initial weights
    task = instantiate(cfg.task)
    task.to(device)
    seed_everything(cfg.seed + 1_000_003 * (distributed.rank() + 1))
    batches = make_batches(cfg, device)
    complete = train(
        task,
        batches,
        num_steps=cfg.num_steps,
        run_dir=run_dir,
        save_every=cfg.save_every,
        log_every=cfg.log_every,
        sample_every=cfg.sample_every,
        keep=cfg.keep,
        max_seconds=cfg.max_seconds,
        export_seconds=cfg.export_seconds,
    )
    if complete and distributed.is_main():
        task.export(run_dir / "export")
        logging.getLogger(__name__).info("weights are in %s", run_dir / "export")


def make_batches(cfg: DictConfig, device: torch.device) -> Batches | ResidentBatches:
    """Builds the batches of this process, loaded on demand or resident on the device.

    Raises:
        InputError: If photos are to be resident with several processes.
    """
    dataset = instantiate(cfg.data)
    if cfg.resident:
        if distributed.world_size() > 1:
            raise InputError("resident=true is for one process, got several")
        return ResidentBatches(dataset, batch_size=cfg.batch_size, device=device, seed=cfg.seed)
    return Batches(
        dataset,
        batch_size=cfg.batch_size,
        rank=distributed.rank(),
        world_size=distributed.world_size(),
        num_workers=min(cfg.num_workers, os.cpu_count() or 1),
        device=device,
    )


def seed_everything(seed: int) -> None:
    """Seeds every random number generator of this process."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (for libraries that draw from the global one)
    torch.manual_seed(seed)


def write_settings(cfg: DictConfig, run_dir: Path) -> None:
    """Writes the settings, and the commit of the code if known, to the run's folder."""
    run_dir.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(cfg, run_dir / "config.yaml", resolve=True)
    commit = command_line.commit()
    if commit is not None:
        (run_dir / "commit.txt").write_text(commit + "\n")


def run() -> None:
    """Runs the command with the arguments of the process."""
    command_line.run(main, "train")
