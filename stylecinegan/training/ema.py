from copy import deepcopy

import torch
from torch import Tensor, nn


class ExponentialMovingAverage(nn.Module):
    """Exponential moving average of a module's weights.

    ``θ̄ ← d θ̄ + (1 - d) θ`` with ``d = 0.5^(images / half_life)``. The half-life is at most
    ``ramp_up`` times the number of images so far, so that the random initial weights are forgotten
    early (StyleGAN2-ADA). Buffers are copied, as they are statistics already or constants.

    Args:
        module: Module to average; ``.module`` is a copy of it.
        half_life: Half-life in the unit of :meth:`update`, images or steps.
        ramp_up: Bound of the half-life as a fraction of the images so far; ``None`` for no bound.
    """

    num_images: Tensor

    def __init__(
        self, module: nn.Module, *, half_life: float = 10_000, ramp_up: float | None = 0.05
    ) -> None:
        super().__init__()
        self.module = deepcopy(module).eval().requires_grad_(False)
        self.half_life = half_life
        self.ramp_up = ramp_up
        # Saved with the weights; the Python number avoids synchronising the GPU.
        self.register_buffer("num_images", torch.zeros((), dtype=torch.int64))
        self._num_images = 0

    def decay(self, num_images: int) -> float:
        """Returns d in [0, 1) for a step over a number of images."""
        half_life = self.half_life
        if self.ramp_up is not None:
            half_life = min(half_life, self._num_images * self.ramp_up)
        return 0.5 ** (num_images / half_life) if half_life > 0 else 0.0

    @torch.no_grad()
    def update(self, module: nn.Module, num_images: int = 1) -> None:
        """Updates the average after a step.

        Args:
            module: The trained module.
            num_images: Images of the step over all processes; 1 to count steps instead.
        """
        weight = 1.0 - self.decay(num_images)
        averages = [parameter.data for parameter in self.module.parameters()]
        values = [parameter.data for parameter in module.parameters()]
        torch._foreach_lerp_(averages, values, weight)
        for average, value in zip(self.module.buffers(), module.buffers(), strict=True):
            average.copy_(value)
        self._num_images += num_images
        self.num_images.fill_(self._num_images)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: object) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)  # pyright: ignore
        self._num_images = int(self.num_images)
