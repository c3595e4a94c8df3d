import torch

from stylecinegan.tasks.logit_offsets import logit_shift


def test_a_rare_class_gets_a_positive_offset():
    # All pixels of water have these probabilities, and 110 of the 1010 static ones.
    doubtful = torch.tensor([0.55, 0.0, 0.45])
    probabilities = torch.cat(
        [torch.tensor([[1.0, 0.0, 0.0]]).expand(900, 3), doubtful.expand(200, 3)]
    )
    labels = torch.zeros(1100, dtype=torch.int64)
    labels[1010:] = 2  # IoU 90 / 200 if they become water, else 0
    shift = logit_shift(probabilities, labels)
    assert shift[0] == 0.0
    assert shift[2] > 0.2


def test_offsets_are_zero_if_the_classes_are_separated_already():
    labels = torch.arange(3).repeat(20)
    assert logit_shift(torch.eye(3)[labels], labels).eq(0).all()


def test_a_class_that_is_predicted_too_often_gets_a_negative_offset():
    # Of 60 pixels with 0.55 sky, ten are sky; 40 more have 1.0.
    probabilities = torch.tensor([0.45, 0.55, 0.0]).expand(100, 3).clone()
    labels = torch.zeros(100, dtype=torch.int64)
    labels[:50] = 1
    probabilities[:40] = torch.tensor([0.0, 1.0, 0.0])
    shift = logit_shift(probabilities, labels)
    assert shift[1] < -0.25  # log(0.45 / 0.55) is -0.2007
