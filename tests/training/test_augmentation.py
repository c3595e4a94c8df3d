import torch

from stylecinegan.data.drawn import draw_landscape
from stylecinegan.training.augmentation import augment, change_colors, cut_out, draw_numbers, shift

CPU = torch.device("cpu")


def numbers(*values):
    return torch.tensor([values])


def test_equal_numbers_change_pictures_equally():
    image = torch.cat([draw_landscape(32, 32, seed).image for seed in range(4)])
    drawn = draw_numbers(4, CPU)
    assert torch.equal(augment(image, drawn), augment(image, drawn))
    assert not torch.equal(augment(image, drawn), augment(image, drawn.flip(0)))


def test_each_picture_of_a_batch_is_changed_by_its_own_numbers():
    image = torch.cat([draw_landscape(32, 32, seed).image for seed in range(3)])
    drawn = draw_numbers(3, CPU)
    alone = torch.cat([augment(image[i : i + 1], drawn[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(augment(image, drawn), alone)


def test_middle_numbers_leave_colours_alone():
    image = torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(change_colors(image, numbers(0.5, 0.5, 0.5)), image)


def test_colours_change_by_the_amounts_that_the_numbers_say():
    image = torch.tensor([0.6, 0.0, -0.3]).view(1, 3, 1, 1)
    # Brightness +0.25 makes (0.85, 0.25, -0.05), whose mean is 0.35.
    grey = change_colors(image, numbers(0.75, 0.0, 0.5)).flatten()
    torch.testing.assert_close(grey, torch.full((3,), 0.35))
    flat = change_colors(image, numbers(0.75, 0.5, 0.0)).flatten()
    torch.testing.assert_close(flat, torch.tensor([0.6, 0.3, 0.15]))


def test_a_shift_moves_by_whole_pixels_and_lets_zeros_in():
    image = torch.zeros(1, 1, 8, 8)
    image[..., 3, 5] = 1.0
    # An eighth of 8 is 1: numbers below 1/3 read one pixel before, from 2/3 on one behind.
    moved = shift(image, numbers(0.0, 0.9))
    expected = torch.zeros(1, 1, 8, 8)
    expected[..., 4, 4] = 1.0
    assert torch.equal(moved, expected)
    assert torch.equal(shift(image, numbers(0.5, 0.5)), image)
    column = shift(torch.ones(1, 1, 8, 8), numbers(0.0, 0.5))[0, 0, :, 0]
    assert column.tolist() == [0.0] + [1.0] * 7


def test_the_hole_is_a_square_of_half_the_sides_cut_by_the_border():
    inside = cut_out(torch.ones(1, 3, 8, 8), numbers(0.5, 0.5))
    assert float(inside.sum()) == 3 * (64 - 16)
    assert float(inside[..., 2:6, 2:6].sum()) == 0.0
    corner = cut_out(torch.ones(1, 3, 8, 8), numbers(0.0, 0.0))
    assert float(corner.sum()) == 3 * (64 - 4)


def test_gradients_flow_to_visible_pixels_only():
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    augment(image, numbers(0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)).sum().backward()
    assert image.grad is not None
    assert float(image.grad[..., 2:6, 2:6].abs().max()) < 1e-6
    torch.testing.assert_close(image.grad[..., :2, :], torch.ones(1, 3, 2, 8))
