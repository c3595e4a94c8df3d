import torch

from stylecinegan.training.logit_shift import logit_shift


def test_a_rare_class_is_taken_from_less_than_a_half_on():
    # 0.45 of water: one in 100 of the pixels at rest, and most of the water, look like this.
    doubtful = torch.tensor([0.55, 0.0, 0.45])
    probabilities = torch.cat(
        [torch.tensor([[1.0, 0.0, 0.0]]).expand(900, 3), doubtful.expand(200, 3)]
    )
    labels = torch.zeros(1100, dtype=torch.int64)
    labels[1010:] = 2  # 110 of 200: nothing is taken unless the threshold is below 0.45
    shift = logit_shift(probabilities, labels)
    assert shift[0] == 0.0
    assert shift[2] > 0.2


def test_where_everything_is_told_apart_nothing_needs_to_shift():
    labels = torch.arange(3).repeat(20)
    shift = logit_shift(torch.eye(3)[labels], labels)
    decided = (torch.eye(3)[labels].clamp(min=1e-6).log() + shift).argmax(dim=1)
    assert torch.equal(decided, labels)


def test_what_is_taken_too_often_is_taken_less_often():
    # 0.55 of sky, of which only one in ten is sky.
    probabilities = torch.tensor([0.45, 0.55, 0.0]).expand(100, 3).clone()
    labels = torch.zeros(100, dtype=torch.int64)
    labels[:50] = 1
    probabilities[:40] = torch.tensor([0.0, 1.0, 0.0])
    shift = logit_shift(probabilities, labels)
    assert shift[1] < -0.2 + 1e-6
