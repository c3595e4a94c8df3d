import numpy as np
import pytest

from stylecinegan.data.drawn import draw_landscape
from stylecinegan.io import load_opencv, to_uint8
from stylecinegan.mask.strokes import Patch, Stroke, cover, paint

HEIGHT, WIDTH = 240, 320
ROUGH_TOWER = [(101 + 5 * np.sin(y / 8), y) for y in range(16, 100, 4)]
ROUGH_BRANCH = [(210 + 2.5 * i + 3 * np.sin(i), 100 - 4 * i) for i in range(20)]


def on_canvas(patch, size=(HEIGHT, WIDTH)):
    whole = np.zeros(size, np.uint8)
    rows, columns = patch.cover.shape
    whole[patch.top : patch.top + rows, patch.left : patch.left + columns] = patch.cover
    return whole


def stroke(points, radius, kind="stays", **settings):
    shares = tuple((x / WIDTH, y / HEIGHT) for x, y in points)
    return Stroke(kind, shares, radius / WIDTH, **settings)


def standing_in_the_sky(colour):
    """A photo with a tower and a branch before its sky, and where they are."""
    cv2 = load_opencv()
    drawn = draw_landscape(HEIGHT, WIDTH, seed=1)
    thing = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.line(thing, (100, 20), (101, 150), 255, 5, cv2.LINE_AA)
    cv2.line(thing, (210, 100), (260, 15), 255, 2, cv2.LINE_AA)
    noise = np.random.default_rng(0).normal(0, 6, (HEIGHT, WIDTH, 1))
    alpha = thing[..., None] / 255.0
    photo = to_uint8(drawn.image).numpy() * (1 - alpha) + alpha * (np.array(colour) + noise)
    return photo.clip(0, 255).astype(np.uint8), thing, drawn


@pytest.mark.parametrize("colour", [(70, 60, 55), (150, 150, 150)], ids=["dark", "grey"])
@pytest.mark.parametrize(
    ("points", "radius"), [(ROUGH_TOWER, 11), (ROUGH_BRANCH, 8)], ids=["tower", "branch"]
)
def test_a_rough_stroke_takes_the_whole_thin_thing_and_none_of_the_sky(colour, points, radius):
    photo, thing, drawn = standing_in_the_sky(colour)
    mask = drawn.mask[0, 0].numpy()
    taken = on_canvas(cover(stroke(points, radius), photo, mask)) > 127
    under = on_canvas(cover(stroke(points, radius, follows_edges=False), photo, mask)) > 250
    sky = drawn.label[0, 0].numpy() == 1
    near = load_opencv().dilate(thing, np.ones((7, 7), np.uint8)) > 0
    assert taken[under & (thing > 200) & sky].mean() > 0.98
    assert taken[under & ~near & sky].mean() < 0.03
    assert (under & ~near & sky).sum() > 300  # it was a rough one


def test_a_stroke_on_nothing_in_particular_is_taken_as_drawn():
    photo, _, drawn = standing_in_the_sky((70, 60, 55))
    mask = drawn.mask[0, 0].numpy()
    points = [(30, 30), (60, 34)]
    following = on_canvas(cover(stroke(points, 9), photo, mask))
    plain = on_canvas(cover(stroke(points, 9, follows_edges=False), photo, mask))
    np.testing.assert_array_equal(following, plain)
    assert plain.max() == 255


def test_the_cover_is_that_of_a_disc_around_the_place_and_softness_fades_it():
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    mask = np.ones((HEIGHT, WIDTH), np.float32)
    x, y = np.arange(WIDTH) + 0.5, np.arange(HEIGHT)[:, None] + 0.5
    distance = np.hypot(x - 80.25, y - 60.75)
    hard = on_canvas(cover(stroke([(80.25, 60.75)], 20, follows_edges=False), photo, mask))
    assert (hard[distance < 19] == 255).all()
    assert (hard[distance > 21] == 0).all()
    soft = stroke([(80.25, 60.75)], 20, follows_edges=False, softness=1.0)
    faded = on_canvas(cover(soft, photo, mask))
    assert faded[60, 80] > 240
    assert 90 < faded[60, 90] < 170
    assert (faded[distance > 21] == 0).all()


def test_a_picture_of_any_size_gets_the_same_stroke():
    mask = np.ones((HEIGHT, WIDTH), np.float32)
    drawn = stroke([(50, 50), (200, 120)], 12, follows_edges=False)
    small = on_canvas(cover(drawn, np.zeros((HEIGHT, WIDTH, 3), np.uint8), mask))
    large_photo = np.zeros((4 * HEIGHT, 4 * WIDTH, 3), np.uint8)
    large = on_canvas(cover(drawn, large_photo, mask), (4 * HEIGHT, 4 * WIDTH))
    averaged = large.reshape(HEIGHT, 4, WIDTH, 4).mean(axis=(1, 3))
    assert np.abs(averaged - small).max() < 40
    assert np.abs(averaged - small).mean() < 0.5


def test_a_stroke_beside_the_photo_covers_nothing_of_it():
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    patch = cover(stroke([(-90, -90)], 20), photo, np.ones((HEIGHT, WIDTH), np.float32))
    assert patch.cover.size == 0
    add, remove = paint([("moves", patch)], (HEIGHT, WIDTH))
    assert not add.any()
    assert not remove.any()


def test_later_strokes_win_and_the_eraser_returns_to_the_prediction():
    everywhere = Patch(0, 0, np.full((4, 4), 255, np.uint8))
    corner = Patch(0, 0, np.full((2, 2), 255, np.uint8))
    add, remove = paint([("moves", everywhere), ("stays", corner)], (4, 4))
    assert remove[:2, :2].all()
    assert remove.sum() == 4 * 255
    assert not add[:2, :2].any()
    assert add[2:, 2:].all()
    add, remove = paint([("stays", everywhere), ("erase", corner)], (4, 4))
    assert not add.any()
    assert remove.sum() == 12 * 255
