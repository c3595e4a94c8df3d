import pytest
import torch
import torch.nn.functional as F

from stylecinegan.errors import InputError
from stylecinegan.warping.displacement import pixel_grid
from stylecinegan.warping.frame_warp import FrameWarp, fill_holes
from stylecinegan.warping.joint_splatting import joint_splat
from stylecinegan.warping.planar_splatting import planar_splat
from stylecinegan.warping.settings import Warping

SIZE = (48, 64)
INNER = (..., slice(8, -8), slice(8, -8))


def expansion(x, y):
    """Displacements that stretch the picture about its middle, x and y times."""
    middle = torch.tensor([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2]).view(1, 2, 1, 1)
    factors = torch.tensor([x, y]).view(1, 2, 1, 1)
    return (factors - 1.0) * (pixel_grid(*SIZE, middle) - middle)


def ramp():
    x, y = pixel_grid(*SIZE, torch.zeros(())).split(1, dim=1)
    return 0.02 * x + 0.01 * y


def stretched_ramp(x, y):
    column, row = (length / 2 - 0.5 for length in reversed(SIZE))
    grid_x, grid_y = pixel_grid(*SIZE, torch.zeros(())).split(1, dim=1)
    return 0.02 * (column + (grid_x - column) / x) + 0.01 * (row + (grid_y - row) / y)


def warped(feature, displacement, *, planar):
    return FrameWarp(displacement, displacement, 0.5, use_planar_splatting=planar)(feature)[0]


def test_a_flat_picture_stays_flat_where_the_flow_diverges_and_has_dots_in_the_papers_rendering():
    flat = torch.full((1, 3, *SIZE), 0.5)
    flow = expansion(9.0, 9.0)
    assert (warped(flat, flow, planar=True) - flat).abs().max() < 1e-4
    assert (warped(flat, flow, planar=False) - flat).abs().max() > 0.4


@pytest.mark.parametrize(("x", "y"), [(1.5, 1.5), (2.5, 1.5), (1.0, 3.3), (0.9, 1.2)])
def test_a_ramp_stays_a_ramp_where_the_flow_diverges_and_ripples_in_the_papers_rendering(x, y):
    flow = expansion(x, y)
    expected = stretched_ramp(x, y)[INNER]
    planar = (warped(ramp(), flow, planar=True)[INNER] - expected).abs().max()
    points = (warped(ramp(), flow, planar=False)[INNER] - expected).abs().max()
    assert planar < 1e-4
    assert points > 20 * planar
    assert points > 1e-3  # a tenth of the ramp's step from row to row


def test_the_ends_of_the_loop_do_not_alternate_from_pixel_to_pixel():
    flat = torch.ones(1, 1, *SIZE)
    start, end = expansion(1.7, 1.7), expansion(0.8, 0.8)
    spread = []
    for planar in (True, False):
        _, shares = FrameWarp(start, end, 0.5, use_planar_splatting=planar)(flat)
        share = (shares[:, :1] / shares.sum(dim=1, keepdim=True))[INNER]
        spread.append(float(share.std() / share.mean()))
    assert spread[0] < 0.05 < 0.2 < spread[1]


def test_what_does_not_move_keeps_its_values():
    torch.manual_seed(0)
    feature = torch.randn(1, 5, *SIZE)
    still = torch.zeros(1, 2, *SIZE)
    blended, _ = planar_splat(feature, None, still, still, 0.3)
    torch.testing.assert_close(blended, feature, rtol=0.0, atol=1e-4)


def test_a_shift_by_whole_pixels_is_the_papers_and_reads_beyond_the_edge():
    torch.manual_seed(0)
    feature = torch.randn(1, 2, *SIZE)
    shift = torch.zeros(1, 2, SIZE[0], SIZE[1] + 16)
    shift[:, 0] = 3.0
    blended, shares = planar_splat(feature, None, shift, shift, 0.25)
    points, _ = joint_splat(feature, None, shift, shift, 0.25)
    torch.testing.assert_close(blended[..., 4:], points[..., 4:], rtol=0.0, atol=1e-4)
    # Mirrored at the edge, with the outermost column twice.
    torch.testing.assert_close(blended[..., :3], feature[..., [2, 1, 0]], rtol=0.0, atol=1e-4)
    torch.testing.assert_close(shares[0, :, 20, 20], torch.tensor([0.75, 0.25]))


def test_sources_of_no_weight_leave_nothing_beside_others():
    feature = torch.zeros(1, 1, *SIZE)
    feature[..., 32:] = 1.0
    weight = (feature == 0).float()
    still = torch.zeros(1, 2, *SIZE)
    blended, _ = planar_splat(feature, weight, still, still, 0.5)
    assert blended[..., :31].abs().max() < 1e-4


def test_half_precision_is_computed_in_single():
    feature = torch.rand(1, 2, *SIZE).half()
    flow = expansion(1.5, 1.5)
    blended, shares = planar_splat(feature, None, flow, flow, 0.5)
    expected, _ = planar_splat(feature.float(), None, flow, flow, 0.5)
    assert blended.dtype == shares.dtype == torch.float16
    assert torch.equal(blended, expected.half())


def test_without_it_a_frame_is_eq_3_with_holes_filled_bit_by_bit():
    torch.manual_seed(0)
    feature = torch.randn(1, 3, *SIZE)
    start = F.interpolate(3.0 * torch.randn(1, 2, 6, 8), SIZE, mode="bicubic")
    blended, shares = FrameWarp(start, -start, 0.4)(feature)
    expected, sums = joint_splat(feature, None, start, -start, 0.4)
    assert torch.equal(shares, sums)
    assert torch.equal(blended, fill_holes(expected, sums))


def test_planes_with_contrast_preservation_are_refused():
    with pytest.raises(InputError, match="wants use_contrast_preservation=false, found true"):
        Warping(use_planar_splatting=True)
