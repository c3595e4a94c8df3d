import numpy as np
import pytest
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from pytorch_msssim import ms_ssim
from torch import nn

from stylecinegan.evaluation.metrics import FeatureStatistics, multi_scale_ssim, rmse


def test_rmse_is_on_the_scale_of_files_and_compares_what_a_file_can_hold():
    black, white = -torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    assert rmse(black, white) == 255.0
    assert rmse(black, black + 0.4 / 127.5) == 0.0  # rounds to the same value
    assert rmse(white, white + 1.0) == 0.0  # clamped as in a file
    half = black.clone()
    half[..., :2] = -1.0 + 10.0 / 127.5  # 10 of 255 in half of the pixels
    assert rmse(half, black) == pytest.approx(np.sqrt(50.0))


def test_ms_ssim_is_that_of_the_package_on_8_bit_values():
    torch.manual_seed(0)
    a = torch.rand(1, 3, 192, 176) * 2 - 1
    b = (a + 0.2 * torch.randn_like(a)).clamp(-1, 1)
    pixels = [((x + 1) * 127.5).round() for x in (a, b)]
    expected = float(ms_ssim(*pixels, data_range=255))
    assert multi_scale_ssim(a, b) == expected
    assert 0.5 < expected < 1.0
    assert multi_scale_ssim(a, a) == 1.0


def test_ms_ssim_of_a_picture_too_small_for_five_scales_is_not_a_number():
    small = torch.zeros(1, 3, 160, 400)
    assert np.isnan(multi_scale_ssim(small, small))


class Means(nn.Module):
    """Two features whose pooled values are the means of red and green."""

    def forward(self, image):
        return [image[:, :2]]


def test_frechet_distance_of_shifted_gaussians_is_the_squared_shift_however_batched():
    torch.manual_seed(0)
    images = torch.randn(64, 3, 8, 8)
    shifted = images + torch.tensor([3.0, 4.0, 0.0]).view(1, 3, 1, 1)
    one, other, split = (FeatureStatistics(Means()) for _ in range(3))
    one.add(images)
    other.add(shifted)
    for part in shifted.split(5):
        split.add(part)
    assert one.distance(other) == pytest.approx(25.0, rel=1e-3)
    assert split.distance(one) == pytest.approx(one.distance(other), rel=1e-5)
    assert one.distance(one) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")
def test_frechet_distance_is_that_of_pytorch_fid():
    torch.manual_seed(1)
    pictures = [torch.randn(32, 3, 4, 4), 2.0 * torch.randn(32, 3, 4, 4) + 1.0]
    statistics = [FeatureStatistics(Means()) for _ in pictures]
    features = [p[:, :2].mean(dim=(2, 3)).double().numpy() for p in pictures]
    for s, p in zip(statistics, pictures, strict=True):
        s.add(p)
    gaussians = [x for f in features for x in (f.mean(axis=0), np.cov(f, rowvar=False))]
    assert statistics[0].distance(statistics[1]) == pytest.approx(
        calculate_frechet_distance(*gaussians), rel=1e-5
    )
