from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from stylecinegan import io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.frame_borders import SceneBox, find_scene
from stylecinegan.mask.prediction import MaskPrediction


def framed(image, *borders):
    """Puts borders around, each (left, right, top, bottom, colour)."""
    for left, right, top, bottom, colour in borders:
        colour = torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1)
        image = F.pad(image - colour, (left, right, top, bottom)) + colour
    return image


BLACK, WHITE, RED = (-1, -1, -1), (1, 1, 1), (0.6, -0.5, -0.5)
PHOTO = draw_landscape(96, 160, seed=3).image


@pytest.mark.parametrize(
    ("borders", "box"),
    [
        ([], (0, 96, 0, 160)),
        ([(0, 0, 30, 31, BLACK)], (30, 126, 0, 160)),
        ([(50, 52, 0, 0, BLACK)], (0, 96, 50, 210)),
        ([(7, 7, 7, 7, WHITE)], (7, 103, 7, 167)),
        ([(1, 1, 1, 1, RED), (9, 9, 9, 20, WHITE)], (10, 106, 10, 170)),
        ([(0, 0, 20, 20, BLACK), (12, 12, 0, 0, RED)], (20, 116, 12, 172)),
        ([(0, 0, 0, 12, WHITE)], (0, 96, 0, 160)),
        ([(0, 0, 0, 1, BLACK)], (0, 96, 0, 160)),
    ],
)
def test_the_scene_is_what_bars_and_frames_leave(borders, box):
    assert find_scene(framed(PHOTO, *borders)) == SceneBox(*box)


@pytest.mark.parametrize("quality", [95, 75, 40])
def test_bars_are_found_after_jpeg_and_resizing(tmp_path, quality):
    pixels = io.to_uint8(framed(draw_landscape(240, 400, seed=3).image, (0, 0, 80, 80, BLACK)))
    picture = Image.fromarray(pixels.numpy()).resize((300, 300), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "a.jpg", quality=quality)
    box = find_scene(io.read_image(tmp_path / "a.jpg"))
    assert (box.left, box.right) == (0, 300)
    assert 60 <= box.top <= 64
    assert 236 <= box.bottom <= 240


def test_a_caption_in_a_bar_is_part_of_it():
    pixels = io.to_uint8(framed(PHOTO, (8, 8, 8, 28, WHITE))).numpy()
    picture = Image.fromarray(pixels)
    ImageDraw.Draw(picture).text((60, 110), "lake 1974", fill="black")
    image = io.from_uint8(np.array(picture))
    assert find_scene(image) == SceneBox(8, 104, 8, 168)


def test_noise_in_the_outermost_row_belongs_to_a_bar_and_content_does_not():
    image = framed(PHOTO, (0, 0, 9, 9, WHITE))
    image[:, :, 0, 40:44] = 1.0 - 18 / 127.5
    assert find_scene(image) == SceneBox(9, 105, 0, 160)
    image[:, :, 0, 40:60] = 1.0 - 18 / 127.5  # over 5 % of the row
    assert find_scene(image) == SceneBox(0, 105, 0, 160)
    image[:, :, 0, 40:60] = 1.0
    image[:, :, 0, 40:44] = 1.0 - 60 / 127.5
    assert find_scene(image) == SceneBox(0, 105, 0, 160)


def test_a_side_of_a_frame_needs_less_evidence_than_a_bar_alone():
    fog = PHOTO.clone()
    fog[:, :, :20] = 1.0 - torch.linspace(18, 98, 160) / 127.5
    fog[:, :, :20, 80:] = 1.0 - 18 / 127.5
    assert find_scene(framed(fog, (0, 0, 9, 0, WHITE))) == SceneBox(0, 105, 0, 160)
    assert find_scene(framed(fog, (9, 9, 9, 9, WHITE))) == SceneBox(9, 105, 9, 169)
    caption = framed(PHOTO, (9, 9, 9, 24, WHITE))
    caption[:, :, 109:123, 20:70] = -1.0  # 28 % of the rows
    assert find_scene(caption) == SceneBox(9, 105, 9, 169)
    letterbox = framed(PHOTO, (0, 0, 9, 24, WHITE))
    letterbox[:, :, 109:123, 20:70] = -1.0
    assert find_scene(letterbox) == SceneBox(9, 129, 0, 160)


def test_a_frame_has_one_colour():
    caption = framed(PHOTO, (9, 0, 0, 24, BLACK))
    caption[:, :, 100:114, 20:70] = 1.0
    assert find_scene(framed(caption, (0, 0, 9, 0, RED))) == SceneBox(9, 129, 9, 169)
    assert find_scene(framed(caption, (0, 0, 9, 0, BLACK))) == SceneBox(9, 105, 9, 169)


def test_a_white_sky_and_a_black_night_are_no_bars():
    sky = PHOTO.clone()
    ridge = 30 + (6 * torch.sin(torch.arange(160) / 9)).round()
    sky[:, :, torch.arange(96)[:, None] < ridge[None]] = 1.0
    assert find_scene(sky) == SceneBox(0, 96, 0, 160)
    straight = PHOTO.clone()
    straight[:, :, :35] = 1.0  # a blown-out sky above a sea
    assert find_scene(straight) == SceneBox(0, 96, 0, 160)
    fading = torch.lerp(torch.tensor(-1.0), PHOTO, torch.linspace(0, 1, 96).view(1, 1, 96, 1))
    assert find_scene(fading) == SceneBox(0, 96, 0, 160)
    assert find_scene(torch.full((1, 3, 80, 80), 0.3)) == SceneBox(0, 80, 0, 80)


def test_transparent_margins_are_no_scene():
    opacity = torch.zeros(1, 1, 96, 160)
    opacity[..., 10:90, 40:] = 1.0
    assert find_scene(PHOTO, opacity) == SceneBox(10, 90, 40, 160)
    assert find_scene(PHOTO, 0 * opacity) == SceneBox(0, 96, 0, 160)


def test_a_prediction_of_the_scene_is_static_around_it():
    box = SceneBox(10, 90, 40, 160)
    probabilities = torch.rand(1, 3, 20, 30)
    classes = PixelClasses(
        probabilities, torch.full((1, 1, 20, 30), 2), torch.full((1, 1, 20, 30), 0.5)
    )
    mask = torch.rand(1, 1, 80, 120)
    whole = box.embed_prediction(MaskPrediction(mask, classes), (96, 160))
    assert torch.equal(box.crop(whole.mask), mask)
    assert whole.mask.sum().item() == pytest.approx(mask.sum().item(), rel=1e-5)
    assert whole.mask.shape == (1, 1, 96, 160)
    # A quarter of the resolution: rows 2.5 to 22.5 of 24 become 2 to 22.
    assert whole.classes.vote.shape == (1, 1, 24, 40)
    assert torch.equal(whole.classes.probabilities[:, :, 2:22, 10:40], probabilities)
    assert whole.classes.probabilities[0, :, 0, 0].tolist() == [1, 0, 0]
    assert whole.classes.vote.unique().tolist() == [0, 2]
    assert whole.classes.vote.dtype == torch.int64


REPORTS = Path(__file__).parents[3] / "shared/data/reports"


@pytest.mark.skipif(not REPORTS.exists(), reason="needs ../shared/data/reports")
def test_the_letterbox_of_a_bug_report_is_found():
    assert find_scene(io.read_image(REPORTS / "letterbox.png")) == SceneBox(160, 800, 0, 960)
    watermark = io.read_image(REPORTS / "watermark.png")
    assert find_scene(watermark) == SceneBox(0, *watermark.shape[2:3], 0, watermark.shape[3])
