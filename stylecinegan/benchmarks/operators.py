"""Implementations of joint splatting (Eq. 3) and Euler integration (Eq. 1) to compare."""

from collections import deque

import torch
from torch import Tensor

from stylecinegan.benchmarks.measurement import COPY, Candidate
from stylecinegan.benchmarks.plain_splatting import plain_joint_splat
from stylecinegan.ops import Backend
from stylecinegan.warping.displacement import euler_step, integrate_motion, reflect
from stylecinegan.warping.joint_splatting import joint_splat


def splat_candidates(
    image: Tensor, from_start: Tensor, from_end: Tensor, *, copy_bytes: int
) -> list[Candidate]:
    """Joint splatting of one map: reference, ``index_add_``, native; and a memory copy.

    Args:
        image: Map to splat, ``[B, C, H, W]``.
        from_start: F(0→t), ``[B, 2, H, W]``.
        from_end: F(N→t), likewise.
        copy_bytes: Size of the copy that measures the memory bandwidth; larger than the caches.
    """
    batch, channels, height, width = image.shape
    # In float32. Read: feature and two displacements (x, y). Written: the blend and two weights.
    moved = 4 * batch * height * width * ((channels + 2 * 2) + (channels + 2))
    source = torch.zeros(copy_bytes // 4, device=image.device)
    target = torch.zeros_like(source)

    def ours(backend: Backend) -> Candidate:
        return Candidate(
            backend,
            lambda: joint_splat(image, None, from_start, from_end, 0.5, backend=backend),
            bytes_moved=moved,
            is_baseline=backend == "reference",
        )

    plain = Candidate(
        "index_add_",
        lambda: plain_joint_splat(image, from_start, from_end, 0.5),
        bytes_moved=moved,
        is_baseline=True,
    )
    copy = Candidate(
        COPY, lambda: target.copy_(source), bytes_moved=2 * source.numel() * source.element_size()
    )
    return [ours("reference"), plain, ours("native"), copy]


def euler_candidates(motion: Tensor, num_frames: int) -> list[Candidate]:
    """Integration of a loop's displacements: from scratch for each frame, and incrementally.

    Integration from scratch is written in PyTorch, incremental integration in PyTorch and compiled.
    The released code integrates from scratch on a map extended by 3/8 of its side on each edge.

    Args:
        motion: M, ``[1, 2, H, W]``, pixels per frame.
        num_frames: N.
    """
    wide = reflect(motion, (motion.shape[2] * 3 // 8, motion.shape[3] * 3 // 8))

    def from_scratch(field: Tensor) -> None:
        # Any frame takes t steps from frame 0 and N - t from frame N.
        for direction in (field, -field):
            displacement = torch.zeros_like(field)
            for _ in range(num_frames // 2):
                displacement = euler_step(displacement, direction, backend="reference")

    def step_by_step(name: str, backend: Backend) -> Candidate:
        def run() -> None:
            deque(integrate_motion(motion, num_frames, backend=backend), maxlen=0)

        return Candidate(name, run, units=num_frames)

    return [
        Candidate("from scratch, wide", lambda: from_scratch(wide), is_baseline=True),
        Candidate("from scratch", lambda: from_scratch(motion), is_baseline=True),
        step_by_step("step by step, reference", "reference"),
        step_by_step("step by step", "auto"),
    ]
