import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stylecinegan.errors import InputError
from stylecinegan.generator.discriminator import (
    EqualizedConv,
    ProjectedDiscriminator,
    StyleGAN2Discriminator,
    minibatch_deviation,
)


class Pyramid(nn.Module):
    """A fixed feature network of three stages: 16, 8 and 4 pixels of 32, of unlike size."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 3, 1, 1, generator=torch.manual_seed(0)))

    def forward(self, image):
        stages = [F.avg_pool2d(image, k) for k in (2, 4, 8)]
        return [10.0**k * F.conv2d(x, self.weight) for k, x in enumerate(stages)]


def projected(resolution=32):
    torch.manual_seed(0)
    return ProjectedDiscriminator(Pyramid(), width=8, max_width=16, resolution=resolution)


def test_minibatch_deviation_is_that_of_each_group():
    # Groups of 2 take every second picture: (0, 4) and (1, 1).
    x = torch.tensor([0.0, 1.0, 4.0, 1.0]).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    deviation = minibatch_deviation(x, 2)
    assert deviation.shape == (4, 1, 2, 2)
    expected = torch.tensor([2.0, 0.0, 2.0, 0.0])
    torch.testing.assert_close(deviation[:, 0, 0, 0], expected, rtol=0.0, atol=2e-4)


def test_groups_shrink_until_they_divide_the_batch():
    x = torch.tensor([0.0, 2.0, 6.0]).view(3, 1, 1, 1)
    # Of 3 pictures, groups of 2 cannot be made: each is alone, and alone nothing differs.
    torch.testing.assert_close(minibatch_deviation(x, 2), torch.full_like(x, 1e-4))
    # Of 6 in groups of at most 4: groups of 3, (0, 0, 3) and (0, 0, 0).
    x = torch.tensor([0.0, 0.0, 0.0, 0.0, 3.0, 0.0]).view(6, 1, 1, 1)
    expected = torch.tensor([2.0**0.5, 0.0] * 3)
    torch.testing.assert_close(minibatch_deviation(x, 4).flatten(), expected, rtol=0.0, atol=2e-4)


@pytest.mark.parametrize("resolution", [4, 8, 32])
def test_stylegan2_classifies_pictures_of_any_size_and_width(resolution):
    channels = {4 * 2**k: 8 + k for k in range(resolution.bit_length() - 2)}
    discriminator = StyleGAN2Discriminator(channels).to(memory_format=torch.channels_last)
    (logits,) = discriminator(torch.randn(4, 3, resolution, resolution))
    assert logits.shape == (4, 1)


def test_channels_of_a_missing_resolution_are_refused():
    with pytest.raises(InputError, match=r"4, 8, 16, … pixels, got \[4, 16\]"):
        StyleGAN2Discriminator({4: 8, 16: 8})


def test_a_downsampling_convolution_keeps_constants():
    convolution = EqualizedConv(1, 1, 1, use_downsampling=True, use_activation=False)
    convolution.weight.data.fill_(1.0)
    result = convolution(torch.ones(1, 1, 8, 8))
    # At the border an eighth of the filter lies outside, where there is zero.
    torch.testing.assert_close(result[0, 0, 1:-1, 1:-1], torch.ones(2, 2))
    torch.testing.assert_close(result[0, 0, 0, 1:-1], torch.full((2,), 7 / 8))


def test_downsampling_does_not_shift_the_picture():
    convolution = EqualizedConv(1, 1, 1, use_downsampling=True, use_activation=False)
    convolution.weight.data.fill_(1.0)
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    # Pixel k of half the width covers pixels 2k and 2k + 1.
    result = convolution(ramp)[0, 0, 4, 1:-1]
    torch.testing.assert_close(result, torch.arange(1.0, 7.0) * 2 + 0.5)


def test_every_head_outputs_four_by_four_logits_at_the_most():
    logits = projected()(torch.randn(2, 3, 32, 32))
    assert [tuple(x.shape) for x in logits] == [(2, 16)] * 3
    assert [tuple(x.shape) for x in projected(64)(torch.randn(2, 3, 64, 64))] == [(2, 16)] * 3


def test_heads_depend_on_coarser_stages_and_not_on_finer_ones():
    discriminator = projected().eval()
    features = [torch.zeros(1, 6, side, side) for side in (16, 8, 4)]
    discriminator.features.forward = lambda _: features  # pyright: ignore
    before = discriminator(torch.zeros(1))
    features[1] = torch.ones(1, 6, 8, 8)
    after = discriminator(torch.zeros(1))
    is_changed = [not torch.equal(x, y) for x, y in zip(before, after, strict=True)]
    assert is_changed == [True, True, False]


def test_stages_are_mixed_at_similar_scales_however_large_their_features_are():
    discriminator = projected()
    image = 0.5 * F.interpolate(torch.randn(8, 3, 8, 8), 32, mode="bicubic")
    sizes = [
        float(F.conv2d(x, discriminator.get_buffer(f"mixing{stage}")).square().mean().sqrt())
        for stage, x in enumerate(discriminator.features(image))
    ]
    assert max(sizes) < 2 * min(sizes)


def test_gradients_reach_the_picture_through_features_that_stay_fixed():
    discriminator = projected()
    image = torch.randn(2, 3, 32, 32, requires_grad=True)
    torch.stack([x.sum() for x in discriminator(image)]).sum().backward()
    assert image.grad is not None
    assert float(image.grad.abs().min(dim=1).values.max()) > 0
    assert discriminator.features.weight.grad is None
    assert all(p.grad is not None for p in discriminator.heads.parameters())
