import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from stylecinegan.camera import Camera
from stylecinegan.camera.resampling import resample
from stylecinegan.camera.slopes import limit_slope
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError

SIZE = (72, 96)
PROGRESS = {"push": (0.0, 0.5, 1.0), "slide": (-1.0, -0.4, 0.7, 1.0)}


def ground(height=72, width=96):
    """Nearness of a ground plane with its horizon in the middle."""
    rows = torch.arange(height) / height
    return (2.0 * rows - 1.0).clamp(min=0.0).view(1, 1, height, 1).expand(1, 1, height, width)


def noise():
    return torch.rand(1, 1, *SIZE, generator=torch.Generator().manual_seed(0)).round()


@pytest.mark.parametrize("move", ["push", "slide"])
def test_the_frame_after_the_last_is_the_first(move):
    image = draw_landscape(*SIZE).image
    camera = Camera(move, ground())
    frames = [camera.reproject(image, frame, 12) for frame in range(13)]
    assert torch.equal(frames[12], frames[0])
    steps = [float((b - a).abs().mean()) for a, b in pairwise(frames)]
    assert steps[-1] <= max(steps[:-1])
    assert max(steps) > 0.001


def test_frame_0_of_a_push_is_the_picture_itself():
    image = draw_landscape(*SIZE).image
    assert Camera("push", ground()).reproject(image, 0, 12) is image


@pytest.mark.parametrize("move", ["push", "slide"])
@pytest.mark.parametrize("amount", [0.05, 0.2])
@pytest.mark.parametrize("nearness", [ground(), noise(), torch.ones(1, 1, 5, 5)])
def test_the_picture_neither_folds_nor_tears_nor_shows_its_border(move, amount, nearness):
    camera = Camera(move, nearness, amount, focus=(0.2, 0.7))
    height, width = SIZE
    for progress in PROGRESS[move]:
        x, y = camera.source(progress, SIZE)[0]
        assert x.min() >= -0.5
        assert x.max() <= width - 0.5
        assert y.min() >= -0.5
        assert y.max() <= height - 0.5
        across = torch.stack([x.diff(dim=1)[:-1], y.diff(dim=1)[:-1]])
        down = torch.stack([x.diff(dim=0)[:, :-1], y.diff(dim=0)[:, :-1]])
        jacobian = across[0] * down[1] - across[1] * down[0]
        assert jacobian.min() > 0.2
        assert jacobian.max() < 2.5


def test_the_amount_is_the_displacement_of_the_nearest_points():
    still = Camera(
        "slide", torch.cat([torch.zeros(1, 1, 30, 96), torch.ones(1, 1, 42, 96)], 2), 0.1
    )
    left, right = still.source(-1.0, SIZE)[0, 0], still.source(1.0, SIZE)[0, 0]
    far, near = (left - right)[5], (left - right)[-5]
    assert (near - far).mean() == pytest.approx(0.1 * 96, rel=0.05)
    push = Camera("push", torch.ones(1, 1, 72, 96), 0.1)
    assert push.source(1.0, SIZE)[0, 0, 0, 0] == pytest.approx(0.1 * 96, abs=0.5)


def test_a_push_over_a_plane_maps_lines_to_lines():
    camera = Camera("push", ground(256, 256), 0.05, focus=(0.5, 0.5))
    place = camera.source(1.0, (256, 256))[0, :, 140:, :]
    # A receding line on the ground, in the photo: x - 100 = (y - 60) / 2.
    offset = (place[0] - 100) - 0.5 * (place[1] - 60)
    crossings = []
    for row in range(0, offset.shape[0], 10):
        column = int((offset[row] > 0).float().argmax())
        before, after = offset[row, column - 1], offset[row, column]
        crossings.append(float(column - after / (after - before)))
    steps = torch.tensor(crossings).diff()
    assert (steps - steps.mean()).abs().max() < 0.05


@pytest.mark.parametrize("move", ["push", "slide"])
def test_bicubic_resampling_keeps_detail_that_bilinear_loses(move):
    random = torch.Generator().manual_seed(0)
    grain = 0.3 * torch.randn(1, 3, 128, 160, generator=random)
    photo_like = F.avg_pool2d(F.pad(grain, (1, 0, 1, 0)), 2, 1)  # as a lens and a sensor blur
    place = Camera(move, ground(128, 160)).source(0.4, (128, 160))

    def energy(picture):
        return float(picture[..., 8:-8, 8:-8].diff(dim=3).square().mean())

    def kept(picture, resampled):
        enlarging = float(place[0, 0].diff(dim=1).mean())
        return energy(resampled) / energy(picture) / enlarging**2

    extent = torch.tensor([160.0, 128.0]).view(1, 2, 1, 1)
    grid = ((2 * place + 1) / extent - 1).permute(0, 2, 3, 1)
    for picture, least in ((grain, 0.6), (photo_like, 0.85)):
        soft = F.grid_sample(picture, grid, "bilinear", align_corners=False)
        assert kept(picture, resample(picture, place)) > least > kept(picture, soft) + 0.05


def test_opencv_and_pytorch_resample_alike():
    image = draw_landscape(*SIZE).image
    place = Camera("push", ground()).source(0.7, SIZE)
    fast, slow = resample(image, place), resample(image.double(), place.double())
    assert (fast - slow).abs().max() < 1 / 127.5


def test_slopes_are_limited_by_raising_the_background():
    steps = noise()
    limited = limit_slope(steps, 0.05)
    assert limited.diff(dim=2).abs().max() <= 0.05 + 1e-5
    assert limited.diff(dim=3).abs().max() <= 0.05 + 1e-5
    peak = torch.zeros(1, 1, 41, 41)
    peak[..., 15:26, 15:26] = 1.0
    hill = limit_slope(peak, 0.1)
    assert hill[0, 0, 20, 20] == pytest.approx(1.0)
    assert hill[0, 0, 0, 0] == 0.0
    assert hill[0, 0, 20, 28] == pytest.approx(0.7, abs=0.05)
    assert torch.equal(limit_slope(ground(), 0.5)[..., 10:20, :], ground()[..., 10:20, :])


def test_unknown_moves_and_amounts_out_of_range_are_refused():
    with pytest.raises(InputError, match="camera must be one of none, push, slide, got turn"):
        Camera("turn", ground())
    for amount in (0.0, -0.1, 0.3, math.nan, "far", True):
        with pytest.raises(InputError, match="camera_amount must be a number above 0"):
            Camera("push", ground(), amount)
