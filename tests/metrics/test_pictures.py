import numpy as np
import pytest
import torch
from pytorch_msssim import ms_ssim

from stylecinegan.metrics.pictures import MSSSIM, RMSE, compare


def test_rmse_is_that_of_clamped_8_bit_values():
    black, white = -torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    assert RMSE()(black, white) == 255.0
    assert RMSE()(black, black + 0.4 / 127.5) == 0.0  # rounds to the same value
    assert RMSE()(white, white + 1.0) == 0.0  # clamped as in a file
    half = black.clone()
    half[..., :2] = -1.0 + 10.0 / 127.5  # 10 of 255 in half of the pixels
    assert float(RMSE()(half, black)) == pytest.approx(np.sqrt(50.0))


def test_ms_ssim_equals_the_package_s_on_8_bit_values():
    torch.manual_seed(0)
    a = torch.rand(1, 3, 192, 176) * 2 - 1
    b = (a + 0.2 * torch.randn_like(a)).clamp(-1, 1)
    pixels = [((x + 1) * 127.5).round() for x in (a, b)]
    expected = float(ms_ssim(*pixels, data_range=255))
    assert float(MSSSIM()(a, b)) == expected
    assert 0.5 < expected < 1.0
    assert MSSSIM()(a, a) == 1.0


def test_ms_ssim_of_pictures_too_small_for_five_scales_is_nan():
    small = torch.zeros(1, 3, 160, 400)
    assert MSSSIM()(small, small).isnan().all()


def random_pictures(count, height=40, width=48, seed=0):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(2, count, 3, height, width, generator=generator) * 2 - 1
    return noise[0], 0.7 * noise[0] + 0.3 * noise[1]


def left_half(pictures):
    region = torch.zeros_like(pictures[:, :1])
    region[..., : pictures.shape[3] // 2] = 1.0
    return region


def test_masked_rmse_by_both_conventions():
    expected = torch.full((2, 3, 4, 4), -1.0)
    actual = expected.clone()
    actual[0, :, :, :2] += 10 / 127.5  # 10 of 255 inside of the region …
    actual[1, :, :, :2] += 20 / 127.5
    actual[:, :, :, 2:] = 1.0  # … and all of 255 outside, which must not reach the number
    figures = compare([RMSE()], actual, expected, left_half(actual))
    assert list(figures) == ["RMSE (masked equal)", "RMSE (mask area)"]
    # Half of the pixels differ by 10: the mean of the squares is 50 over all, 100 over the region.
    assert figures["RMSE (masked equal)"].tolist() == pytest.approx([50**0.5, 200**0.5])
    assert figures["RMSE (mask area)"].tolist() == pytest.approx([10.0, 20.0])
    assert list(compare([RMSE()], actual, expected)) == ["RMSE"]


def test_rmse_of_an_empty_region_is_0_over_the_picture_and_nan_over_the_region():
    actual, expected = random_pictures(1)
    figures = compare([RMSE()], actual, expected, torch.zeros(1, 1, 40, 48))
    assert figures["RMSE (masked equal)"].item() == 0.0
    assert figures["RMSE (mask area)"].isnan().all()


@pytest.mark.parametrize("window", [11, 7])
def test_ms_ssim_over_a_region_of_the_whole_picture_equals_the_package_s(window):
    actual, expected = random_pictures(2, 181, 164)
    pixels = [((x + 1) * 127.5).round() for x in (actual, expected)]
    of_package = ms_ssim(*pixels, data_range=255, win_size=window, size_average=False)
    metric = MSSSIM(window)
    assert metric(actual, expected).equal(of_package)
    everywhere = metric(actual, expected, torch.ones(2, 1, 181, 164), "region")
    assert everywhere.tolist() == pytest.approx(of_package.tolist(), rel=1e-5)


def test_ms_ssim_with_a_smaller_window_measures_pictures_of_128_pixels():
    actual, expected = random_pictures(1, 128, 128)
    figures = compare([MSSSIM(), MSSSIM(7)], actual, expected)
    assert figures["MS-SSIM"].isnan().all()
    assert 0.5 < figures["MS-SSIM (window 7)"].item() < 1.0


def test_masked_ms_ssim_ignores_pixels_outside_the_region():
    actual, expected = random_pictures(1, 176, 176)
    region = left_half(actual)
    other = actual.clone()
    other[..., 88:] = -expected[..., 88:]
    metric = MSSSIM()
    for over in ("picture", "region"):
        one = metric(actual, expected, region, over)
        assert one.equal(metric(other, expected, region, over))
    # Where half of the picture is equal, the mean over the picture is closer to 1.
    assert one < metric(actual, expected, region, "picture") < 1.0
    assert metric(expected, expected, region, "region").item() == pytest.approx(1.0)
    # A region at the border, which is the centre of no window of the coarsest scale.
    edge = torch.zeros_like(region)
    edge[:, :, -16:] = 1.0
    assert 0.0 < metric(actual, expected, edge, "region") < 1.0
