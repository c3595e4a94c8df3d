"""Supervised training of a network with a cosine schedule and averaged weights."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from stylecinegan.training import distributed
from stylecinegan.training.ema import ExponentialMovingAverage
from stylecinegan.training.schedule import cosine_rate
from stylecinegan.training.update import Update

Terms = dict[str, Tensor]


class SupervisedTask(ABC):
    """Optimisation steps, weight averaging and run state of a supervised training.

    Args:
        network: The network whose weights are averaged and saved in the run state.
        update: Optimisation step. The peak learning rate of a parameter group is its ``"peak"``,
            or else its ``"lr"``.
        num_steps: Length of the cosine schedule that lowers the learning rates to 1 %.
        num_warmup: Steps of linear warm-up.
        ema_half_life: Half-life of the averaged weights, in pictures.
    """

    network_key = "network"
    """Key of the network in the run state."""

    def __init__(
        self,
        network: nn.Module,
        update: Update,
        *,
        num_steps: int,
        num_warmup: int,
        ema_half_life: float,
    ) -> None:
        self.update = update
        self.averaged = ExponentialMovingAverage(network, half_life=ema_half_life)
        self.num_steps = num_steps
        self.num_warmup = num_warmup
        self.step_number = 0
        self._trained_network = network
        # Kept apart from the optimiser, whose groups a run state replaces.
        self._peaks = [group.get("peak", group["lr"]) for group in update.optimizer.param_groups]

    @abstractmethod
    def loss(self, batch: Terms) -> tuple[Tensor, Terms]:
        """Loss of a batch, and its named terms."""

    def step(self, batch: Terms) -> Terms:
        """Runs one optimisation step on a batch with ``"image"``; returns the loss terms."""
        rate = cosine_rate(self.step_number, self.num_steps, self.num_warmup)
        for group, peak in zip(self.update.optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * rate
        terms = self.update(self.loss, batch)
        count = len(batch["image"]) * distributed.world_size()
        self.averaged.update(self._trained_network, count)
        self.step_number += 1
        return terms

    def state_dict(self) -> dict:
        """State of a resumable run."""
        return {
            self.network_key: self._trained_network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "update": self.update.state_dict(),
            "step": self.step_number,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restores a state of :meth:`state_dict`."""
        self._trained_network.load_state_dict(state[self.network_key])
        self.averaged.load_state_dict(state["averaged"])
        self.update.load_state_dict(state["update"])
        self.step_number = state["step"]
