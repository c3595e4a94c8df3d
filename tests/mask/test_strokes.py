import pytest
import torch

from stylecinegan.errors import InputError
from stylecinegan.mask.strokes import snap_stroke


def photo_with_branch(thing=-0.7, sky=0.4, width=4, size=400):
    """A sky that brightens downwards with a slanted branch; where the branch is."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    photo = (sky + 0.2 * rows / size).expand(1, 3, -1, -1).clone()
    branch = (columns - 100 - rows / 2).abs() < width / 2
    photo[:, :, branch] = thing
    return photo, branch, rows, columns


@pytest.mark.parametrize(("thing", "sky"), [(-0.7, 0.4), (0.9, -0.3)], ids=["dark", "bright"])
def test_a_rough_stroke_takes_the_branch_and_none_of_the_sky(thing, sky):
    photo, branch, rows, columns = photo_with_branch(thing, sky)
    along = (rows > 100) & (rows < 300)
    painted = ((columns - 103 - rows / 2).abs() < 10) & along  # not centred, ten times as wide
    snapped = snap_stroke(photo, painted.float()[None, None])[0, 0]
    inside = (rows > 105) & (rows < 295)
    assert snapped[branch & inside].min() > 0.5
    far = ((columns - 100 - rows / 2).abs() > 6) | (rows < 80) | (rows > 320)
    assert snapped[far].max() == 0.0


def test_a_stroke_narrower_than_a_tower_grows_to_its_edges():
    photo, tower, rows, columns = photo_with_branch(width=16)
    painted = ((columns - 100 - rows / 2).abs() < 7) & (rows > 100) & (rows < 300)
    snapped = snap_stroke(photo, painted.float()[None, None], reach=0.015)[0, 0]
    inside = (rows > 110) & (rows < 290)
    assert snapped[tower & inside].min() > 0.4
    assert snapped[~tower & inside & ((columns - 100 - rows / 2).abs() > 11)].max() == 0.0


def test_a_stroke_over_nothing_in_particular_stays_as_it_is():
    photo, _, rows, columns = photo_with_branch()
    stroke = torch.zeros(1, 1, 400, 400)
    stroke[:, :, 200:220, 20:100] = 0.5
    assert torch.equal(snap_stroke(photo, stroke), stroke)
    for whole in (torch.zeros_like(stroke), torch.ones_like(stroke)):
        assert torch.equal(snap_stroke(photo, whole), whole)


def test_only_what_the_stroke_touches_is_taken():
    photo, _, rows, columns = photo_with_branch()
    photo[:, :, 150:250, 150:153] = -0.7  # a mast left of the branch, within reach
    painted = ((columns - 100 - rows / 2).abs() < 8) & (rows > 140) & (rows < 170)
    snapped = snap_stroke(photo, painted.float()[None, None], reach=0.04)[0, 0]
    assert snapped[:, 148:154][rows[:, 148:154] < 180].max() < 0.1


def test_the_strength_of_a_brush_is_kept():
    photo, branch, rows, columns = photo_with_branch(width=8)
    painted = ((columns - 100 - rows / 2).abs() < 10) & (rows > 100) & (rows < 300)
    snapped = snap_stroke(photo, 0.75 * painted.float()[None, None])[0, 0]
    assert snapped.max() == pytest.approx(0.75)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(InputError, match=r"a stroke must be \[1, 1, 8, 9\] as the photo"):
        snap_stroke(torch.zeros(1, 3, 8, 9), torch.zeros(1, 1, 9, 8))
    with pytest.raises(InputError, match="a photo must be"):
        snap_stroke(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))
