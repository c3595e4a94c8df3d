import torch
from torch import nn

from stylecinegan.training.ema import ExponentialMovingAverage


def scalar(value: float) -> nn.Linear:
    linear = nn.Linear(1, 1, bias=False)
    nn.init.constant_(linear.weight, value)
    return linear


def test_the_past_has_half_the_weight_after_one_half_life():
    module = scalar(0.0)
    average = ExponentialMovingAverage(module, half_life=8, ramp_up=None)
    nn.init.constant_(module.weight, 1.0)
    average.update(module, 8)
    assert average.module.weight.item() == 0.5
    average.update(module, 16)
    assert average.module.weight.item() == 0.875  # 1 - 0.5 * 0.5²


def test_the_half_life_ramps_up_with_the_images_seen():
    module = scalar(4.0)
    average = ExponentialMovingAverage(module, half_life=100, ramp_up=0.5)
    nn.init.constant_(module.weight, 1.0)
    average.update(module, 8)  # nothing seen before: a copy
    assert average.module.weight.item() == 1.0
    nn.init.constant_(module.weight, 2.0)
    average.update(module, 8)  # half-life 0.5 * 8 = 4, two of them: (1 · 1 + 3 · 2) / 4
    assert average.module.weight.item() == 1.75
    average.num_images.fill_(400)
    average.load_state_dict(average.state_dict())
    assert average.decay(100) == 0.5  # 0.5 * 400 = 200 exceeds the full half-life of 100


def test_buffers_are_copied_and_the_average_is_not_trained():
    module = nn.BatchNorm2d(2)
    average = ExponentialMovingAverage(module, half_life=1000, ramp_up=None)
    module(torch.full((2, 2, 3, 3), 5.0))
    average.update(module)
    assert torch.equal(average.module.running_mean, module.running_mean)
    assert average.module.num_batches_tracked.item() == 1
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert not average.module.training


def test_a_restored_average_goes_on_with_its_ramp():
    module = scalar(1.0)
    average = ExponentialMovingAverage(module, half_life=100, ramp_up=0.5)
    average.update(module, 12)
    restored = ExponentialMovingAverage(scalar(7.0), half_life=100, ramp_up=0.5)
    restored.load_state_dict(average.state_dict())
    assert restored.decay(6) == average.decay(6) == 0.5
    assert restored.module.weight.item() == 1.0
