import pytest
import torch

from stylecinegan.data.drawn import draw_landscape
from stylecinegan.tasks.color_transfer import (
    GAINS,
    find_palette,
    from_oklab,
    soft_regions,
    to_oklab,
    transfer_colors,
    transport_map,
)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1.0, 1.0, 1.0), (1.0, 0.0, 0.0)),
        ((-1.0, -1.0, -1.0), (0.0, 0.0, 0.0)),
        ((1.0, -1.0, -1.0), (0.62796, 0.22486, 0.12585)),  # Ottosson's red
    ],
)
def test_known_colours_have_their_oklab_values(rgb, lab):
    found = to_oklab(torch.tensor(rgb).view(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(found, torch.tensor(lab), atol=1e-4, rtol=0.0)


def test_colours_come_back_from_oklab():
    image = draw_landscape(32, 48, seed=1).image
    torch.testing.assert_close(from_oklab(to_oklab(image)), image, atol=1e-3, rtol=0.0)


def test_a_picture_in_its_own_colours_is_unchanged():
    drawn = draw_landscape(32, 48, seed=1)
    lab, label = to_oklab(drawn.image), drawn.label[:, 0]
    palette = find_palette(lab, label)
    moved = transfer_colors(lab, label, palette, palette)
    torch.testing.assert_close(moved, lab, atol=1e-3, rtol=0.0)


def test_sky_takes_the_colour_of_the_sky_and_ground_that_of_the_ground():
    label = torch.zeros(1, 40, 40, dtype=torch.int64)
    label[:, :20] = 1

    def flat(sky, ground):
        rows = torch.where(label[:, None] == 1, torch.tensor(sky), torch.tensor(ground))
        return torch.cat([rows, torch.zeros_like(rows), 0.1 * rows], dim=1)

    source, aim = flat(0.8, 0.5), flat(0.3, 0.1)
    palettes = find_palette(source, label), find_palette(aim, label)
    moved = transfer_colors(source, label, *palettes)
    # The other region contributes a four-hundredth to each palette.
    torch.testing.assert_close(moved[..., :16, :], aim[..., :16, :], atol=0.01, rtol=0.0)
    torch.testing.assert_close(moved[..., 24:, :], aim[..., 24:, :], atol=0.01, rtol=0.0)
    # Halfway at the border, half of each.
    halfway = 0.5 * (moved[0, :, 0, 0] + moved[0, :, -1, 0])
    border = moved[0, :, 19:21].mean(dim=(1, 2))
    torch.testing.assert_close(border, halfway, atol=0.03, rtol=0.0)


def test_diagonal_covariances_are_scaled_by_the_ratio_of_deviations_within_bounds():
    deviations = torch.tensor([0.2, 0.1, 0.1]), torch.tensor([0.1, 0.2, 1.0])
    gain = transport_map(*(d.square().diag() for d in deviations))
    torch.testing.assert_close(gain, torch.tensor([0.5, 2.0, GAINS[1]]).diag(), atol=0.05, rtol=0.0)


def test_soft_regions_sum_to_one():
    label = torch.randint(0, 3, (1, 20, 30))
    torch.testing.assert_close(soft_regions(label, 2).sum(dim=1), torch.ones(1, 20, 30))
