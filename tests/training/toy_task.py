"""A task small enough to train in a blink, and a command that trains it like scripts/train.py."""

import argparse
import itertools
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stylecinegan import io
from stylecinegan.data.batches import Batches
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.data.landscapes import Landscapes
from stylecinegan.training import distributed
from stylecinegan.training.ema import ExponentialMovingAverage
from stylecinegan.training.loop import train
from stylecinegan.training.run_state import list_states, load_latest_state
from stylecinegan.training.update import Update


class ToyTask:
    """A convolutional autoencoder with an average of its weights.

    Args:
        noise: Strength of noise on the input, drawn from the global generator.
        ballast: Floats to carry along, so that saving takes its time.
        delay: Seconds that a step lasts at least.
    """

    def __init__(self, *, noise: float = 0.0, ballast: int = 0, delay: float = 0.0) -> None:
        torch.manual_seed(0)
        self.network = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1),
        )
        optimizer = torch.optim.Adam(self.network.parameters(), lr=3e-3)
        self.update = Update(self.network.parameters(), optimizer)
        self.average = ExponentialMovingAverage(self.network, half_life=50)
        self.noise = noise
        self.ballast = torch.zeros(ballast)
        self.delay = delay

    def step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        time.sleep(self.delay)
        terms = self.update(self.loss, batch)
        self.average.update(self.network, len(batch["image"]) * distributed.world_size())
        return terms

    def loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        image = batch["image"]
        noisy = image + self.noise * torch.randn_like(image) if self.noise else image
        error = (self.network(noisy) - image).square().mean()
        return error, {"squared_error": error}

    def sample(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        noisy = batch["image"] + torch.randn_like(batch["image"])
        return {"reconstruction": self.average.module(noisy)}

    def to(self, device: torch.device) -> None:
        self.network.to(device)
        self.average.to(device)

    def state_dict(self) -> dict:
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "update": self.update.state_dict(),
            "ballast": self.ballast,
        }

    def load_state_dict(self, state: dict) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.update.load_state_dict(state["update"])

    def export(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        weights = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        save_file(weights, directory / "toy.safetensors")


def draw_landscapes(folder: Path) -> Path:
    """Draws twelve landscapes of 24 pixels as PNG files."""
    for number in range(12):
        io.write_image(folder / f"{number:07d}.png", draw_landscape(24, 24, number).image)
    return folder


def write_experiment(folder: Path, task: dict[str, float] | None = None, **settings: int) -> None:
    """Writes ``configs/experiment/toy.yaml``: the task on crops of 16 pixels.

    Args:
        folder: Folder of ``configs``, which is made.
        task: Arguments of the task.
        settings: Settings of the training.
    """
    experiment = {
        "task": {"_target_": "tests.training.toy_task.ToyTask", **(task or {})},
        "data": {"crop": 16},
        "num_workers": 0,
        "sample_every": 0,
        "device": "cpu",
        **settings,
    }
    (folder / "configs/experiment").mkdir(parents=True)
    text = f"# @package _global_\n{json.dumps(experiment)}\n"
    (folder / "configs/experiment/toy.yaml").write_text(text)


def main() -> None:
    """Trains in the group that torchrun started, or alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--num-steps", type=int, default=8)
    parser.add_argument("--save-every", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--num-workers", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = distributed.local_device("cpu")
    with distributed.process_group(device):
        task = ToyTask(delay=options.delay)
        batches = Batches(
            Landscapes(options.photos, crop=16, scale_range=(1.0, 1.5)),
            batch_size=options.batch_size,
            rank=distributed.rank(),
            world_size=distributed.world_size(),
            num_workers=options.num_workers,
        )
        train(
            task,
            batches,
            num_steps=options.num_steps,
            run_dir=options.run_dir,
            save_every=options.save_every,
            log_every=5,
        )


def kill_while_saving(run_dir: Path, num_kills: int) -> None:
    """Kills a run, every second time while it writes a state, at random moments otherwise.

    Resumes it each time and prints the step it came back to, that of the newest state, and whether
    a partly written one is left.
    """
    partial = run_dir / "state.pt.partial"
    torch.set_num_threads(1)
    ToyTask()  # torch imports a great deal with the first optimiser, once for all children here
    steps = 0
    for kill in range(num_kills):
        child = os.fork()
        if child == 0:
            task = ToyTask(ballast=2**20)
            train(
                task,
                itertools.repeat({"image": torch.zeros(1, 3, 8, 8)}),
                num_steps=10**6,
                run_dir=run_dir,
                save_every=1,
                log_every=9999,
            )
        _wait_for_a_state_after(run_dir, steps)
        if kill % 2:
            _stop_while_writing(child, partial)
        else:
            time.sleep(random.Random(kill).uniform(0.0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        newest = int(list_states(run_dir)[-1].stem.removeprefix("state-"))
        state = load_latest_state(run_dir)
        assert state is not None
        steps = state["step"]
        print(steps, newest, partial.exists(), flush=True)


def _wait_for_a_state_after(run_dir: Path, step: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        states = list_states(run_dir)
        if states and int(states[-1].stem.removeprefix("state-")) > step:
            return
        time.sleep(0.002)
    raise TimeoutError("the run has saved nothing")


def _stop_while_writing(child: int, partial: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if partial.exists():
            os.kill(child, signal.SIGSTOP)
            os.waitpid(child, os.WUNTRACED)
            if partial.exists():  # it may have been complete by then
                return
            os.kill(child, signal.SIGCONT)
    raise TimeoutError("the run was never seen writing")


if __name__ == "__main__":
    if sys.argv[1] == "kill":
        kill_while_saving(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
