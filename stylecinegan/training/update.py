import logging
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from stylecinegan.errors import TrainingError
from stylecinegan.training import distributed

logger = logging.getLogger(__name__)

Batch = dict[str, Tensor]
Loss = Callable[[Batch], tuple[Tensor, dict[str, Tensor]]]
Precision = Literal["fp32", "bf16", "fp16"]

_AUTOCAST_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Update:
    """One optimiser's part of a training step: accumulate, average over processes, check, step.

    Gradients are computed for given parameters only (``torch.autograd.grad``), so the update of a
    generator neither computes nor accumulates gradients of the discriminator. They are views of one
    buffer, averaged over all processes by a single call after the backward pass; unlike the hooks
    of DistributedDataParallel, that works with several passes and double backward.

    Args:
        parameters: Parameters to train.
        optimizer: Optimiser of exactly these parameters. A fused one skips a non-finite step on the
            GPU without synchronisation.
        precision: Compute dtype of the loss (autocast).
        num_accumulate: Parts that a batch is split into; their gradients are averaged.
        max_skipped_in_a_row: Steps with a non-finite loss or gradient after which training stops.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        optimizer: torch.optim.Optimizer,
        *,
        precision: Precision = "fp32",
        num_accumulate: int = 1,
        max_skipped_in_a_row: int = 10,
    ) -> None:
        self.parameters = list(parameters)
        self.optimizer = optimizer
        self.num_accumulate = num_accumulate
        self._max_skipped = max_skipped_in_a_row
        self._autocast_type = _AUTOCAST_TYPES.get(precision)
        self._scaler: torch.amp.GradScaler | None = None
        if precision == "fp16":
            self._scaler = torch.amp.GradScaler(self.parameters[0].device.type)
        self._fused = bool(getattr(optimizer, "_step_supports_amp_scaling", False))
        self._buffer: Tensor | None = None
        self._gradients: list[Tensor] = []
        self._num_calls = 0
        # Skipped steps: all of them, and those since the last good one.
        self._skipped = torch.zeros(2, dtype=torch.int64)

    def __call__(self, loss: Loss, batch: Batch) -> dict[str, Tensor]:
        """Takes one optimisation step.

        Args:
            loss: Returns the scalar to minimise and the terms to log of a part of the batch.
            batch: Tensors that are split along their first dimension.

        Returns:
            The terms, averaged over the parts, detached.

        Raises:
            ValueError: If the batch does not split into ``num_accumulate`` equal parts.
            TrainingError: If too many steps in a row were skipped.
        """
        buffer = self._prepare_buffer()
        terms: dict[str, Tensor] = {}
        for part in _split(batch, self.num_accumulate):
            device_type = next(iter(part.values())).device.type
            with torch.autocast(
                device_type, self._autocast_type, enabled=self._autocast_type is not None
            ):
                value, named = loss(part)
            value = value.float() / self.num_accumulate
            self._accumulate(value)
            buffer[-1] += value.detach()
            for name, term in named.items():
                share = term.detach().float() / self.num_accumulate
                terms[name] = terms[name] + share if name in terms else share
        distributed.average_(buffer)
        self._step(buffer)
        return terms

    def state_dict(self) -> dict[str, Any]:
        """Returns the optimiser's state, the loss scale and the counts of skipped steps.

        Raises:
            TrainingError: If too many steps in a row were skipped: such a state is of no use.
        """
        self._stop_after_too_many()
        return {
            "optimizer": self.optimizer.state_dict(),
            "scaler": self._scaler.state_dict() if self._scaler else {},
            "skipped": self._skipped.cpu(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a state of :meth:`state_dict`."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self._scaler and state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])
        self._skipped = state["skipped"].to(self._skipped.device, copy=True)

    def _prepare_buffer(self) -> Tensor:
        """Returns the zeroed buffer: all gradients, then the loss."""
        if self._buffer is None:
            # Not in the constructor, because the models may be moved to a device after it.
            size = sum(parameter.numel() for parameter in self.parameters)
            self._buffer = self.parameters[0].new_zeros(size + 1, requires_grad=False)
            self._skipped = self._skipped.to(self._buffer.device)
            offset = 0
            for parameter in self.parameters:
                # Fused optimisers need a gradient laid out like its parameter (channels last).
                view = self._buffer.as_strided(parameter.shape, parameter.stride(), offset)
                self._gradients.append(view)
                offset += parameter.numel()
        return self._buffer.zero_()

    def _accumulate(self, value: Tensor) -> None:
        scaled = self._scaler.scale(value) if self._scaler else value
        gradients = torch.autograd.grad(scaled, self.parameters, allow_unused=True)
        for total, gradient in zip(self._gradients, gradients, strict=True):
            if gradient is not None:
                total.add_(gradient)

    def _step(self, buffer: Tensor) -> None:
        """Steps the optimiser unless a gradient is not finite.

        The mean over the processes propagates non-finite values to all of them, so all skip the
        same steps.
        """
        for parameter, gradient in zip(self.parameters, self._gradients, strict=True):
            parameter.grad = gradient
        lowest, highest = buffer.aminmax()
        bad = ~(torch.isfinite(lowest) & torch.isfinite(highest))
        if self._scaler:
            bad = self._step_scaled(self._scaler, buffer, bad)
        elif self._fused:
            # The protocol by which GradScaler makes a fused optimiser skip on the device.
            vars(self.optimizer).update(grad_scale=None, found_inf=bad.float())
            self.optimizer.step()
            del self.optimizer.grad_scale, self.optimizer.found_inf  # pyright: ignore
        elif not bad:
            self.optimizer.step()
        for parameter in self.parameters:
            parameter.grad = None
        self._skipped = torch.stack((self._skipped[0] + bad, (self._skipped[1] + 1) * bad))
        self._num_calls += 1
        waits = self._fused and buffer.is_cuda  # reading the counts would wait for the GPU
        if not waits or self._num_calls % self._max_skipped == 0:
            self._stop_after_too_many()

    def _step_scaled(self, scaler: torch.amp.GradScaler, buffer: Tensor, bad: Tensor) -> Tensor:
        """Steps with a loss scale; overflows are not failures unless the scale is the lowest."""
        bad_loss = ~torch.isfinite(buffer[-1])
        buffer.mul_(torch.where(bad_loss, torch.nan, 1.0))
        at_lowest_scale = scaler.get_scale() <= 1
        scaler.unscale_(self.optimizer)
        scaler.step(self.optimizer)
        scaler.update()
        return bad if at_lowest_scale else bad_loss

    def _stop_after_too_many(self) -> None:
        total, in_a_row = self._skipped.tolist()
        if in_a_row >= self._max_skipped:
            raise TrainingError(
                f"the loss or its gradient was not finite for {in_a_row} steps in a row "
                f"({total} in all): lower the learning rate or use precision=fp32"
            )
        if in_a_row:
            logger.warning("skipped a step that was not finite (%d so far)", total)


def _split(batch: Batch, num_parts: int) -> list[Batch]:
    size = len(next(iter(batch.values())))
    if size % num_parts:
        raise ValueError(f"a batch of {size} does not split into num_accumulate={num_parts} parts")
    parts = {name: tensor.chunk(num_parts) for name, tensor in batch.items()}
    return [{name: chunks[i] for name, chunks in parts.items()} for i in range(num_parts)]
