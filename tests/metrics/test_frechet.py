import numpy as np
import pytest
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from torch import nn

from stylecinegan.metrics.frechet import FeatureStatistics


class RedAndGreen(nn.Module):
    """A network with two features at every pixel."""

    def forward(self, image):
        return [image[:, :2]]


def test_the_distance_of_shifted_gaussians_is_the_squared_shift_for_all_batch_sizes():
    torch.manual_seed(0)
    images = torch.randn(64, 3, 8, 8)
    shifted = images + torch.tensor([3.0, 4.0, 0.0]).view(1, 3, 1, 1)
    one, other, split = (FeatureStatistics(RedAndGreen()) for _ in range(3))
    one.add(images)
    other.add(shifted)
    for part in shifted.split(5):
        split.add(part)
    assert one.distance(other) == pytest.approx(25.0, rel=1e-3)
    assert split.distance(one) == pytest.approx(one.distance(other), rel=1e-5)
    assert one.distance(one) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")
def test_the_distance_equals_pytorch_fid_s():
    torch.manual_seed(1)
    pictures = [torch.randn(32, 3, 4, 4), 2.0 * torch.randn(32, 3, 4, 4) + 1.0]
    statistics = [FeatureStatistics(RedAndGreen()) for _ in pictures]
    features = [p[:, :2].mean(dim=(2, 3)).double().numpy() for p in pictures]
    for s, p in zip(statistics, pictures, strict=True):
        s.add(p)
    gaussians = [x for f in features for x in (f.mean(axis=0), np.cov(f, rowvar=False))]
    assert statistics[0].distance(statistics[1]) == pytest.approx(
        calculate_frechet_distance(*gaussians), rel=1e-5
    )


def test_statistics_over_a_region_equal_those_of_cropped_pictures():
    images, others = (
        torch.rand(2, 16, 3, 40, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    )
    region = torch.zeros_like(images[:, :1])
    region[..., :24] = 1.0
    masked, cut, whole = (FeatureStatistics(RedAndGreen()) for _ in range(3))
    masked.add(images, region, "region")
    cut.add(images[..., :24])
    whole.add(others)
    assert masked.distance(whole) == pytest.approx(cut.distance(whole), rel=1e-4)
    black, covered = FeatureStatistics(RedAndGreen()), FeatureStatistics(RedAndGreen())
    black.add(torch.where(region > 0.5, images, -1.0))
    covered.add(images, region)
    assert covered.distance(black) == pytest.approx(0.0, abs=1e-9)
    assert covered.distance(masked) > 0.1
