import pytest
import torch
import torch.nn.functional as F

from stylecinegan.metrics.loop_quality import LoopQuality
from stylecinegan.warping.frame_warp import FrameWarp
from stylecinegan.warping.photo_layer import pyramid
from stylecinegan.warping.photo_layer.moving_layer import MovingLayer
from stylecinegan.warping.photo_layer.sharpness import (
    neighbour_correlation,
    sharpness_gain,
    warp_sharply,
)
from stylecinegan.warping.settings import Warping, frame_warps

WHITE = torch.tensor([2.0, 2.0])


def constant(x, y, size=(16, 24)):
    return torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, *size).contiguous()


def gain(displacement, loss=WHITE):
    values = sharpness_gain(constant(*displacement), loss)
    assert values.min() == values.max()
    return float(values[0, 0, 0, 0])


@pytest.mark.parametrize("displacement", [(0.0, 0.0), (3.0, -2.0)])
def test_what_lands_on_pixels_is_left_exactly_as_it_is(displacement):
    assert gain(displacement) == 1.0


def test_halfway_between_two_pixels_white_texture_loses_half_of_its_variance():
    assert gain((0.5, 2.0)) == pytest.approx(2**0.5)
    assert gain((-1.5, 2.0)) == pytest.approx(2**0.5)
    # A share of a quarter: 1 - 2 * 0.25 * 0.75 is left along each axis.
    assert gain((0.25, 0.75)) == pytest.approx(1 / 0.625)


def test_neighbours_that_are_alike_lose_nothing():
    assert gain((0.5, 0.5), torch.zeros(2)) == 1.0
    assert gain((0.5, 0.5), torch.tensor([2.0, 0.0])) == pytest.approx(2**0.5)


def test_each_end_of_the_loop_has_a_gain_of_its_own():
    torch.manual_seed(0)
    level = torch.randn(1, 3, 64, 96)
    for start, end, progress in [((0.5, 0.0), (7.0, 2.0), 0.0), ((7.0, 2.0), (0.0, 0.5), 1.0)]:
        warp = FrameWarp(constant(*start, (64, 96)), constant(*end, (64, 96)), progress)
        warped, shares = warp_sharply(warp, level, None, WHITE)
        assert warped[..., 8:-8, 8:-8].std() == pytest.approx(1.0, abs=0.03)
        assert shares[:, int(progress), 8:-8, 8:-8].min() == pytest.approx(1.0)
        assert warp(level)[0][..., 8:-8, 8:-8].std() == pytest.approx(0.5**0.5, abs=0.03)


def test_correlations_are_found_where_the_mask_is():
    torch.manual_seed(0)
    noise = torch.randn(1, 3, 64, 64)
    rows = torch.randn(1, 3, 64, 1).expand(1, 3, 64, 64)
    everywhere = torch.ones(1, 1, 64, 64)
    assert neighbour_correlation(noise, everywhere).max() < 0.05
    x, y = neighbour_correlation(rows, everywhere).tolist()
    assert x == pytest.approx(1.0)
    assert y < 0.2
    left = everywhere.clone()
    left[..., 32:] = 0.0
    mixed = torch.cat([rows[..., :32], noise[..., 32:]], dim=3)
    assert neighbour_correlation(mixed, left)[0] == pytest.approx(1.0)


def test_no_frame_of_a_loop_is_much_less_sharp_than_its_photo(monkeypatch):
    torch.manual_seed(0)
    photo = F.avg_pool2d(torch.randn(1, 3, 98, 130), 3, stride=1) * 0.4
    mask = torch.ones(1, 1, 96, 128)
    motion = constant(0.83, 0.31, (96, 128))

    def least_detail():
        layer = MovingLayer({}, photo, mask)
        quality = LoopQuality(mask)
        for warp in frame_warps(motion, (96, 128), 24, Warping()):
            quality.add(layer.render(warp))
        return quality.result()["least_detail_kept"]

    assert least_detail() > 0.9
    monkeypatch.setattr(pyramid, "sharpness_loss", lambda *_: torch.zeros(2))
    assert least_detail() < 0.65
