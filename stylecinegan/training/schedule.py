import math


def cosine_rate(step: int, num_steps: int, num_warmup: int) -> float:
    """Share of the peak learning rate: a linear rise, and half a cosine down to 1 %.

    Args:
        step: Steps taken so far.
        num_steps: Step at which the lowest rate is reached.
        num_warmup: Steps of the rise.
    """
    rise = min(1.0, (step + 1) / num_warmup)
    progress = min(1.0, step / num_steps)
    return rise * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress)))
