import math


def cosine_rate(step: int, num_steps: int, num_warmup: int) -> float:
    """Factor of the peak learning rate: linear warm-up, then half a cosine down to 1 %.

    ``min(1, (step + 1) / num_warmup) · (0.01 + 0.99 (1 + cos(π u)) / 2)`` with
    ``u = min(1, step / num_steps)``.

    Args:
        step: Steps taken so far.
        num_steps: Step at which the lowest rate is reached.
        num_warmup: Steps of the rise.
    """
    rise = min(1.0, (step + 1) / num_warmup)
    progress = min(1.0, step / num_steps)
    return rise * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress)))
