import math

import numpy as np
import pytest
import torch

from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.losses.adversarial import (
    SqueezeNetFeatures,
    discriminator_loss,
    energy_distance,
    generator_loss,
    gradient_penalty,
    moment_distance,
    path_lengths,
    perceptual_distance,
)


def test_the_logistic_losses_are_those_of_stylegan2():
    zero = [torch.zeros(2, 1)]
    assert float(generator_loss(zero, "logistic")) == pytest.approx(math.log(2))
    assert float(discriminator_loss(zero, zero, "logistic")) == pytest.approx(2 * math.log(2))
    real, fake = [torch.tensor([[1.0]])], [torch.tensor([[-2.0]])]
    expected = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-2))
    assert float(discriminator_loss(real, fake, "logistic")) == pytest.approx(expected)


def test_the_hinge_loss_is_zero_beyond_both_margins():
    real, fake = [torch.tensor([[1.0, 3.0]])], [torch.tensor([[-1.5, -1.0]])]
    assert float(discriminator_loss(real, fake, "hinge")) == 0.0
    assert float(discriminator_loss(fake, real, "hinge")) == pytest.approx(2.25 + 3.0)
    assert float(generator_loss(fake, "hinge")) == pytest.approx(1.25)


def test_heads_have_equal_weight_however_many_patches_they_have():
    heads = [torch.full((1, 9), 1.0), torch.full((1, 1), 3.0)]
    assert float(generator_loss(heads, "hinge")) == pytest.approx(-2.0)


def test_the_gradient_penalty_is_the_squared_length_of_the_gradient():
    image = torch.zeros(2, 3, 2, 2, requires_grad=True)
    weight = torch.arange(12.0).view(3, 2, 2)
    # d/dx of w·x + x·x/2 at x = 0 is w; its squared length is 0² + 1² + … + 11² = 506.
    logits = (weight * image).sum(dim=(1, 2, 3)) + 0.5 * image.square().sum(dim=(1, 2, 3))
    penalty = gradient_penalty([logits], image)
    assert penalty.item() == pytest.approx(506.0)
    # The penalty's own gradient, 2 (w + x) / B: the double backward that R1 trains by.
    (second,) = torch.autograd.grad(penalty, image)
    torch.testing.assert_close(second[0], weight)


def test_path_lengths_of_a_linear_generator_are_known():
    w_plus = torch.ones(3, 2, 4, requires_grad=True)
    basis = torch.zeros(4, 64)
    basis[0] = 5.0
    image = (w_plus.sum(dim=1) @ basis).view(3, 1, 8, 8)
    torch.manual_seed(1)
    noise = torch.randn(3, 1, 8, 8)
    torch.manual_seed(1)
    lengths = path_lengths(image, w_plus)
    # Both codes move every pixel by 5: the length is |5 · sum of the noise| / 8.
    torch.testing.assert_close(lengths, (5.0 * noise.sum(dim=(1, 2, 3)) / 8.0).abs())


def test_the_energy_distance_of_points_on_a_line_is_known():
    first, second = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]])
    # 2 · mean(1, 5, 1, 3) - 2 - 4
    assert float(energy_distance(first, second)) == pytest.approx(-1.0)
    # 2 · mean(1, 5) - 4
    alone = torch.zeros(1, 1, requires_grad=True)
    distance = energy_distance(alone, second)
    assert distance.item() == pytest.approx(2.0)
    (gradient,) = torch.autograd.grad(distance, alone)
    assert gradient.item() == pytest.approx(-2.0)


def test_the_energy_distance_detects_shifted_and_scaled_distributions():
    torch.manual_seed(0)
    x, same, other = torch.randn(3, 500, 4).unbind()
    assert abs(float(energy_distance(x, same))) < 0.02
    assert float(energy_distance(x, other + 1.0)) > 0.5
    assert float(energy_distance(x, other * 3.0)) > 0.5


def test_the_moment_distance_adds_that_of_the_means_and_of_the_covariances():
    first = torch.tensor([[0.0, 0.0], [2.0, 0.0]])  # mean (1, 0), variance 2 along x
    second = torch.tensor([[1.0, 1.0], [1.0, 5.0]])  # mean (1, 3), variance 8 along y
    assert float(moment_distance(first, second)) == pytest.approx(9 + (4 + 64) ** 0.5)
    assert float(moment_distance(first, first)) == 0.0


def test_features_have_the_strides_and_channels_of_squeezenet(squeezenet):
    features = SqueezeNetFeatures(squeezenet, ("conv1", "fire3", "fire5", "fire9"))
    maps = features(torch.zeros(1, 3, 64, 64))
    assert [tuple(f.shape[1:]) for f in maps] == [
        (96, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4),
    ]  # fmt: skip


def test_perceptual_distance_is_zero_only_for_equal_pictures(squeezenet):
    features = SqueezeNetFeatures(squeezenet)
    image = torch.cat([draw_landscape(32, 32, seed).image for seed in range(2)])
    assert float(perceptual_distance(features, image, image)) == 0.0
    other = image.flip(0).requires_grad_()
    distance = perceptual_distance(features, other, image)
    distance.backward()
    assert float(distance.detach()) > 0.01
    assert other.grad is not None
    assert float(other.grad.abs().sum()) > 0


def test_a_missing_or_foreign_feature_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="found no such file"):
        SqueezeNetFeatures(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(InputError, match=r"no weights of SqueezeNet 1\.0"):
        SqueezeNetFeatures(tmp_path / "other.npz")
