import pytest
import torch

from stylecinegan.visualization import contact_sheet, motion_to_image, overlay_mask


def colour_of(x, y):
    motion = torch.tensor([[x, 0.0], [y, 1.0]]).view(1, 2, 1, 2)
    return motion_to_image(motion)[0, :, 0, 0].tolist()


def test_hues_stand_for_directions_as_in_middleburys_wheel():
    assert colour_of(1.0, 0.0) == [1, -1, -1]  # right is red
    red, green, blue = colour_of(0.0, 1.0)  # down: just before yellow, the 15th of 55 steps
    assert red == 1
    assert green == pytest.approx(13.75 / 15 * 2 - 1, abs=1e-5)
    assert blue == -1
    red, green, blue = colour_of(-1.0, 0.0)  # left is between cyan and blue
    assert (red, blue) == (-1, 1)
    assert -1 < green < 1
    red, green, blue = colour_of(0.0, -1.0)  # up is between blue and magenta
    assert (green, blue) == (-1, 1)
    assert -1 < red < 1


def test_rest_is_white_and_half_the_speed_has_half_the_saturation():
    motion = torch.zeros(1, 2, 1, 3)
    motion[0, 0] = torch.tensor([0.0, 2.0, 4.0])
    image = motion_to_image(motion)
    assert image[0, 1, 0].tolist() == [1.0, 0.0, -1.0]
    assert image[0, 0, 0].tolist() == [1.0, 1.0, 1.0]
    # Against another largest speed the same motion is paler, and beyond it is cut.
    assert motion_to_image(motion, max_speed=8)[0, 1, 0].tolist() == [1.0, 0.5, 0.0]
    assert motion_to_image(motion, max_speed=2)[0, 1, 0].tolist() == [1.0, -1.0, -1.0]


def test_nothing_moving_is_white():
    assert (motion_to_image(torch.zeros(1, 2, 4, 5)) == 1).all()


def test_the_legend_changes_only_a_corner_and_is_left_out_of_tiny_pictures():
    motion = torch.ones(1, 2, 50, 80)
    plain, legend = motion_to_image(motion), motion_to_image(motion, use_legend=True)
    changed = (plain != legend).any(dim=1)[0]
    assert changed[40:, 70:].any()
    assert not changed[:40].any()
    assert not changed[:, :70].any()
    tiny = torch.ones(1, 2, 9, 9)
    assert torch.equal(motion_to_image(tiny, use_legend=True), motion_to_image(tiny))


def test_a_motion_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"must be \[1, 2, H, W\], got \[2, 4, 4\]"):
        motion_to_image(torch.zeros(2, 4, 4))


def test_an_overlay_tints_what_moves_and_keeps_the_rest_exact():
    image = torch.rand(1, 3, 4, 6)
    mask = torch.zeros(1, 1, 4, 6)
    mask[..., 3:] = 1
    overlay = overlay_mask(image, mask, colour=(1.0, -1.0, 0.0), opacity=0.25)
    assert torch.equal(overlay[..., :3], image[..., :3])
    torch.testing.assert_close(overlay[:, 0, :, 3:], image[:, 0, :, 3:] * 0.75 + 0.25)
    torch.testing.assert_close(overlay[:, 2, :, 3:], image[:, 2, :, 3:] * 0.75)
    assert overlay_mask(image, torch.ones(1, 1, 2, 2)).shape == image.shape


def test_a_contact_sheet_shows_every_picture_in_its_cell_reduced_if_need_be():
    images = [
        torch.full((1, 3, 4, 6), -0.5),
        torch.full((1, 3, 16, 12), 0.25),  # fits at a quarter: 4 high, 3 wide
        torch.full((1, 1, 4, 6), 0.0),
    ]
    sheet = contact_sheet(images, columns=2, gap=1)
    assert sheet.shape == (1, 3, 9, 13)
    assert (sheet[..., :4, :6] == -0.5).all()
    assert (sheet[..., 6] == 1).all()
    torch.testing.assert_close(sheet[..., :4, 8:11], torch.full((1, 3, 4, 3), 0.25))
    assert (sheet[..., :4, [7, 11, 12]] == 1).all()
    assert (sheet[..., 5:, :6] == 0).all()
    assert (sheet[..., 5:, 7:] == 1).all()


def test_an_empty_contact_sheet_is_refused():
    with pytest.raises(ValueError, match="need an image and a column"):
        contact_sheet([], columns=3)
