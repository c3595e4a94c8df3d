import pytest
import torch
import torch.nn.functional as F

from stylecinegan.mask.hypercolumns import (
    pixel_centres,
    sample_hypercolumns,
)


def features(batch=1):
    torch.manual_seed(0)
    return {10: torch.randn(batch, 3, 4, 4), 11: torch.randn(batch, 2, 8, 8)}


def test_the_papers_stack_has_1472_channels():
    widths = {10: 512, 11: 256, 12: 256, 13: 128, 14: 128, 15: 64, 16: 64, 17: 32, 18: 32}
    maps = {layer: torch.zeros(1, width, 1, 1) for layer, width in widths.items()}
    assert sample_hypercolumns(maps, torch.zeros(1, 1, 2)).shape == (1, 1, 1472)


def test_pixel_centres_read_what_enlarging_and_stacking_gives():
    maps = features(batch=2)
    stacked = torch.cat(
        [F.interpolate(feature, (16, 16), mode="bilinear") for feature in maps.values()], dim=1
    )
    points = pixel_centres(16, 16).expand(2, -1, -1)
    read = sample_hypercolumns(maps, points)
    torch.testing.assert_close(read.transpose(1, 2).reshape(2, 5, 16, 16), stacked)


def test_pixel_centres_of_rows_are_those_of_the_whole_picture():
    whole = pixel_centres(6, 4)
    assert whole[0].tolist() == pytest.approx([-0.75, -1 + 1 / 6])
    assert torch.equal(torch.cat([pixel_centres(6, 4, 0, 2), pixel_centres(6, 4, 2, 6)]), whole)
