import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stylecinegan import Scene
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.inputs import resize_photo
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.prediction import MaskPrediction
from stylecinegan.motion import working_size
from stylecinegan.motion.controls import directed_motion
from stylecinegan.warping.displacement import resize_displacement
from stylecinegan.warping.settings import Warping
from tests.test_pipeline import tiny_model


class Counting:
    """A model that counts its calls and finds the sky of a drawn landscape."""

    def __init__(self, mask):
        self.model = tiny_model()
        self.found = mask
        self.calls = []
        self.mask_ensemble = self.motion_generator = "present"

    def segment(self, photo, region="both", *, caution=0.6):
        self.calls.append("segment")
        probabilities = torch.cat([1 - self.found, self.found, torch.zeros_like(self.found)], 1)
        vote = self.found.round().long()
        return MaskPrediction(self.found, PixelClasses(probabilities, vote, self.found))

    def predict_motion(self, photo, mask, probabilities=None):
        self.calls.append("motion")
        return directed_motion("right", mask)

    def invert(self, photo, *, num_steps=0):
        self.calls.append("invert")
        return self.model.invert(photo, num_steps=num_steps)

    def animate(self, *args, **settings):
        return self.model.animate(*args, **settings)


@pytest.fixture
def drawn():
    return draw_landscape(64, 96, seed=2)


@pytest.fixture
def model(drawn):
    return Counting(drawn.mask)


def open_scene(model, drawn):
    return Scene(model, drawn.image)


def test_nothing_is_computed_before_it_is_read(model, drawn):
    scene = open_scene(model, drawn)
    scene.paint(add=torch.zeros_like(drawn.mask))
    scene.motion(speed=2.0)
    assert model.calls == []


def test_mask_and_motion_are_predicted_once_however_often_a_scene_is_animated(model, drawn):
    scene = open_scene(model, drawn)
    for num_frames in (2, 3):
        assert len(list(scene.animate(num_frames).frames)) == num_frames
    list(scene.animate(2, size=64).frames)
    assert model.calls == ["segment", "motion"]


def test_the_default_rendering_never_inverts_and_the_paper_s_inverts_once(model, drawn):
    scene = open_scene(model, drawn)
    list(scene.animate(2).frames)
    assert "invert" not in model.calls
    for _ in range(2):
        list(scene.animate(2, warping=Warping.of_the_paper()).frames)
    assert scene.animate(2).inversion.image.shape == drawn.image.shape
    assert model.calls.count("invert") == 1


def test_new_speeds_keep_the_predicted_motion_and_a_correction_keeps_the_classes(model, drawn):
    scene = open_scene(model, drawn)
    slow = scene.motion_field
    scene.motion(speed=2.0)
    torch.testing.assert_close(scene.motion_field, 2.0 * slow)
    assert model.calls == ["segment", "motion"]
    scene.paint(remove=torch.ones_like(drawn.mask))
    assert not scene.mask.any()
    scene.paint()
    assert torch.equal(scene.mask, drawn.mask)
    assert model.calls.count("segment") == 1


def test_a_given_mask_replaces_the_prediction_and_none_returns_to_it(model, drawn):
    scene = open_scene(model, drawn)
    scene.mask = torch.ones_like(drawn.mask)
    assert scene.mask.all()
    assert model.calls == []
    scene.mask = None
    assert torch.equal(scene.mask, drawn.mask)


def test_a_preview_is_the_same_scene_at_another_size(drawn):
    model = tiny_model()
    scene = model.scene(drawn.image)
    scene.mask = drawn.mask
    scene.motion("left", speed=4.0)
    full, preview = scene.animate(4), scene.animate(4, size=72)
    for frame, small in zip(full.frames, preview.frames, strict=True):
        assert small.shape == (1, 3, 48, 72)
        assert (F.interpolate(frame, (48, 72), mode="area") - small).abs().mean() < 0.03
    # Displacement scales with the side.
    ratio = preview.motion.abs().amax() / full.motion.abs().amax()
    assert ratio.item() == pytest.approx(0.75, rel=0.1)


def test_the_motion_of_a_huge_photo_resembles_that_at_full_size(drawn, monkeypatch):
    held = torch.zeros_like(drawn.mask)
    held[..., 20] = 1.0  # a line of one pixel
    controls = {"arrows": [[20, 5, 60, 12]], "anchors": held, "speed": 2.0}  # pixels of the photo
    fields = []
    for side in (2048, 48):
        monkeypatch.setattr(working_size, "LONGEST_SIDE", side)
        scene = open_scene(Counting(drawn.mask), drawn)
        scene.motion(**controls)
        fields.append(scene.motion_field)
        assert len(list(scene.animate(2).frames)) == 2
    full, small = fields
    assert small.shape == (1, 2, 32, 48)
    assert small[..., 10].abs().max() == 0  # in the middle of the line
    moves = drawn.mask > 0.99
    enlarged = resize_displacement(small, (64, 96))
    difference = (enlarged - full).norm(dim=1, keepdim=True)[moves].mean()
    assert difference < 0.05 * full.norm(dim=1, keepdim=True)[moves].mean()


def test_a_mask_of_one_pixel_moves_in_a_huge_photo_too(drawn, monkeypatch):
    monkeypatch.setattr(working_size, "LONGEST_SIDE", 24)
    scene = open_scene(Counting(drawn.mask), drawn)
    scene.mask = torch.zeros_like(drawn.mask)
    scene.mask[..., 30, 10:80] = 1.0
    scene.motion("right")
    assert scene.motion_field.abs().max() > 0


def test_a_camera_that_stands_changes_no_bit_of_any_frame(drawn):
    scene = tiny_model().scene(drawn.image)
    scene.mask = drawn.mask
    scene.motion("left")
    plain, standing = scene.animate(4), scene.animate(4, camera="none", camera_amount=0.2)
    for frame, steady, same in zip(plain.frames, plain.steady_frames, standing.frames, strict=True):
        assert torch.equal(frame, steady)
        assert torch.equal(frame, same)
    assert plain.camera is None


@pytest.mark.parametrize("warping", [Warping(), Warping.of_the_paper()])
def test_a_camera_moves_what_stands_still_and_comes_back(drawn, warping):
    scene = tiny_model().scene(drawn.image)
    scene.mask = drawn.mask
    scene.motion("left")
    plain = list(scene.animate(4, warping=warping).frames)
    pushed = list(scene.animate(4, warping=warping, camera="push").frames)
    assert torch.equal(pushed[0], plain[0])
    static = (drawn.mask == 0).expand_as(drawn.image)
    assert (pushed[2] - plain[2])[static].abs().mean() > 0.02
    assert (pushed[2] - pushed[1])[static].abs().mean() > 0.01
    assert (pushed[3] - pushed[1])[static].abs().mean() < 1e-5  # on the way back
    preview = scene.animate(4, warping=warping, size=72, camera="slide", camera_amount=0.1)
    assert [frame.shape for frame in preview.frames] == [(1, 3, 48, 72)] * 4


def test_what_is_near_in_a_given_depth_moves_further_than_the_rest(drawn):
    scene = tiny_model().scene(drawn.image)
    scene.mask = drawn.mask
    scene.motion("left")
    depth = torch.zeros(1, 1, 30, 40)
    depth[..., :20] = 7.0
    camera = scene.animate(4, camera="slide", depth=depth).camera
    assert camera is not None
    first, last = (camera.source(progress, (64, 96))[0, 0] for progress in (-1.0, 1.0))
    way = first - last
    assert (way[:, :44] - way[:, 60:].max()).min() > 0.9 * 0.05 * 96


def test_arguments_that_do_not_fit_are_refused_with_the_reason(model, drawn):
    with pytest.raises(InputError, match=r"a photo must be \[1, 3, H, W\]"):
        tiny_model().scene(drawn.image[0])
    scene = open_scene(model, drawn)
    with pytest.raises(InputError, match="a mask must be"):
        scene.mask = drawn.mask[:, :, :10]
    with pytest.raises(InputError, match="one of right"):
        scene.motion("sideways")
    with pytest.raises(InputError, match="camera must be one of none, push, slide, got zoom"):
        scene.animate(4, camera="zoom")
    with pytest.raises(InputError, match="the depth is constant"):
        scene.animate(4, camera="slide", depth=torch.ones(1, 1, 3, 3))


class Restless(Counting):
    """A model that finds sky everywhere."""

    def segment(self, photo, region="both", *, caution=0.6):
        self.found = torch.ones_like(photo[:, :1])
        return super().segment(photo, region, caution=caution)


def test_black_bars_are_static_in_predicted_masks_and_cut_off_before_segmentation(drawn):
    photo = F.pad(drawn.image + 1, (0, 0, 16, 16)) - 1  # black bars above and below
    model = Restless(drawn.mask)
    scene = Scene(model, photo)
    assert scene.mask[:, :, :16].max() == scene.mask[:, :, 80:].max() == 0
    assert scene.mask[:, :, 16:80].min() == 1
    assert model.found.shape == drawn.mask.shape  # what was segmented
    assert scene.classes.vote.shape == scene.mask.shape
    everything = Scene(model, photo, animate_all_if_small=True)
    assert torch.equal(everything.mask, scene.mask)
    scene.mask = torch.ones_like(scene.mask)
    assert scene.mask.min() == 1  # who gives a mask has it


@pytest.mark.parametrize(
    ("original_width", "width", "expected"),
    [(96, 192, 96), (96, 64, 96), (1536, 512, 1024), (1536, 1280, 1280)],
)
def test_the_mask_is_predicted_for_the_original_as_large_as_the_matting_needs_it(
    model, drawn, original_width, width, expected
):
    seen = []

    class Watched(Counting):
        def segment(self, photo, *args, **settings):
            seen.append(photo)
            self.found = F.interpolate(drawn.mask, photo.shape[2:])
            return super().segment(photo, *args, **settings)

    original = resize_photo(drawn.image, original_width)
    photo = resize_photo(original, width)
    scene = Scene(Watched(drawn.mask), photo, original=original)
    assert scene.mask.shape == photo[:, :1].shape
    assert seen[0].shape[3] == expected
    wanted = F.interpolate(drawn.mask, photo.shape[2:], mode="bilinear")
    assert float((scene.mask - wanted).abs().mean()) < 0.03


def test_an_enlarged_photo_with_black_bars_and_transparency_is_static_there(drawn):
    original = F.pad(drawn.image, (0, 0, 12, 12), value=-1.0)
    photo = F.interpolate(original, scale_factor=2.0, mode="nearest")
    opacity = torch.ones(1, 1, *photo.shape[2:])
    opacity[..., :20] = 0.0
    mask = Scene(Restless(drawn.mask), photo, original=original, opacity=opacity).mask
    assert mask.shape == opacity.shape
    assert float(mask[..., 30:-30, 24:].min()) == 1.0
    assert float(mask[..., :20].max()) == 0.0
    assert float(mask[..., :22, :].max()) == float(mask[..., -22:, :].max()) == 0.0


def test_transparent_places_are_static_in_every_mask(drawn):
    opacity = torch.ones_like(drawn.mask)
    opacity[..., 30:60] = 0
    scene = Scene(Restless(drawn.mask), drawn.image, opacity=opacity)
    assert torch.equal(scene.mask, opacity)
    scene.mask = torch.ones_like(opacity)
    assert torch.equal(scene.mask, opacity)
    frames = list(scene.animate(4).frames)
    for frame in frames:
        assert torch.equal(frame[..., 35:55], drawn.image[..., 35:55])


def test_falling_water_moves_down_and_its_pool_to_the_side():
    # White streaks between dark rocks, above a pool.
    rng = np.random.default_rng(3)
    size = 96
    grey = 50.0 + 12.0 * rng.normal(size=(size, size))
    grey[10:70, 40:56] = 190.0 + 30.0 * rng.normal(size=16)
    grey[70:] = 70.0
    photo = torch.from_numpy(grey / 127.5 - 1.0).float().expand(1, 3, size, size)
    water = torch.zeros(1, 1, size, size)
    water[..., 70:, :] = 1.0
    falling = torch.zeros(1, 1, size, size)
    falling[..., 10:70, 40:56] = 1.0
    water = torch.maximum(water, falling)
    model = Counting(water)
    probabilities = torch.cat([1 - water, 0 * water, water], 1)
    model.segment = lambda photo, region="both", *, caution=0.6: MaskPrediction(
        water, PixelClasses(probabilities, 2 * water.long(), water, falling)
    )
    scene = Scene(model, photo)
    scene.motion(text="waterfall falls, fast")
    fall, pool = scene.motion_field[0, :, 30, 48], scene.motion_field[0, :, 90, 10]
    assert pool[0] > 5.0 * pool[1].abs()
    assert fall[1] > 5.0 * fall[0].abs()


def test_a_painted_fountain_rises_where_the_text_says_so():
    size = 96
    mask = torch.zeros(1, 1, size, size)
    mask[..., :50, :] = 1.0
    model = Counting(mask)
    probabilities = torch.cat([1 - mask, mask, 0 * mask], 1)
    model.segment = lambda photo, region="both", *, caution=0.6: MaskPrediction(
        mask, PixelClasses(probabilities, mask.long(), mask, 0 * mask)
    )
    scene = Scene(model, torch.zeros(1, 3, size, size))
    jet = torch.zeros_like(mask)
    jet[..., 20:90, 40:56] = 1.0
    scene.paint(add=jet)
    scene.motion(text="fountain rises")
    assert scene.motion_field[0, 1, 50, 48] < -0.1
    scene.motion()
    assert scene.motion_field[0, 1, 50, 48] == 0.0
