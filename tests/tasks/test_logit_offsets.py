import torch

from stylecinegan.tasks.logit_offsets import logit_shift


def test_a_rare_class_is_taken_from_less_than_a_half_on():
    # All of the water looks like this, and 110 of the 1010 pixels at rest.
    doubtful = torch.tensor([0.55, 0.0, 0.45])
    probabilities = torch.cat(
        [torch.tensor([[1.0, 0.0, 0.0]]).expand(900, 3), doubtful.expand(200, 3)]
    )
    labels = torch.zeros(1100, dtype=torch.int64)
    labels[1010:] = 2  # IoU 90 / 200 if they are taken, else 0
    shift = logit_shift(probabilities, labels)
    assert shift[0] == 0.0
    assert shift[2] > 0.2


def test_where_everything_is_told_apart_nothing_shifts():
    labels = torch.arange(3).repeat(20)
    assert logit_shift(torch.eye(3)[labels], labels).eq(0).all()


def test_what_is_taken_too_often_is_taken_less_often():
    # 60 pixels have 0.55 of sky, ten of them are sky; 40 more are surely sky.
    probabilities = torch.tensor([0.45, 0.55, 0.0]).expand(100, 3).clone()
    labels = torch.zeros(100, dtype=torch.int64)
    labels[:50] = 1
    probabilities[:40] = torch.tensor([0.0, 1.0, 0.0])
    shift = logit_shift(probabilities, labels)
    assert shift[1] < -0.25  # log(0.45 / 0.55) is -0.2007
