from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from stylecinegan import Scene, io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.overlays import find_text, keep_text_static
from stylecinegan.mask.prediction import MaskPrediction

SIZE = (384, 512)
SKY, WATER = 0.15, 0.85
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def written(text, place, colour=WHITE, opacity=255, height=22, seed=4):
    """A drawn landscape with text over it, and where the text is."""
    picture = Image.fromarray(io.to_uint8(draw_landscape(*SIZE, seed=seed).image).numpy())
    layer = Image.new("RGBA", picture.size)
    ImageDraw.Draw(layer).text(
        (60, place * SIZE[0]), text, font=ImageFont.load_default(height), fill=(*colour, opacity)
    )
    shown = Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")
    letters = np.asarray(layer)[..., 3] > 0.5 * opacity
    return io.from_uint8(np.array(shown)), torch.from_numpy(letters)


@pytest.mark.parametrize(
    ("place", "colour", "opacity", "height"),
    [
        (SKY, WHITE, 255, 22),
        (SKY, BLACK, 130, 22),
        (SKY, BLACK, 255, 14),
        (SKY, BLACK, 200, 34),
        (WATER, WHITE, 255, 22),
        (WATER, WHITE, 130, 22),
        (WATER, WHITE, 255, 14),
        (WATER, WHITE, 200, 34),
        (WATER, BLACK, 255, 22),
    ],
)
def test_text_on_sky_and_on_water_is_found(place, colour, opacity, height):
    photo, letters = written("© Sample Photo 24", place, colour, opacity, height)
    text = find_text(photo)
    assert text is not None
    found = text[0, 0] > 0.5
    assert found[letters].float().mean() > 0.9
    assert found.float().mean() < 4 * letters.float().mean() + 0.01


@pytest.mark.parametrize("seed", range(6))
def test_clouds_ridges_and_waves_are_no_text(seed):
    assert find_text(draw_landscape(*SIZE, seed=seed).image) is None


@pytest.mark.parametrize("marks", ["....", "o   o   o", "V  V"])
def test_a_few_birds_or_boats_are_no_text(marks):
    photo, _ = written(marks, SKY, BLACK)
    assert find_text(photo) is None


class AllMoves:
    """A model that takes everything for sky."""

    mask_ensemble = motion_generator = "present"

    def segment(self, photo, region="both", *, caution=0.7):
        mask = torch.ones_like(photo[:, :1])
        probabilities = torch.cat([0 * mask, mask, 0 * mask], dim=1)
        return MaskPrediction(mask, PixelClasses(probabilities, mask.long(), mask))


def test_text_is_static_in_a_predicted_mask_and_moves_where_somebody_paints_it():
    photo, letters = written("© Sample Photo 24", WATER)
    scene = Scene(AllMoves(), photo)
    assert scene.mask[0, 0][letters].mean() < 0.1
    assert scene.mask.mean() > 0.9
    scene.paint(add=letters[None, None].float())
    assert scene.mask[0, 0][letters].min() == 1.0


def test_a_photo_without_text_keeps_its_mask_as_it_is():
    drawn = draw_landscape(96, 160)
    mask = drawn.mask
    classes = PixelClasses(mask.expand(-1, 3, -1, -1), mask.long(), mask)
    prediction = MaskPrediction(mask, classes)
    assert keep_text_static(prediction, find_text(drawn.image)) is prediction


DATA = Path(__file__).parents[3] / "shared/data"


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_watermarks_of_photos_are_found_and_nothing_in_the_skies_and_waters_of_others():
    watermark = io.read_image(DATA / "reports/watermark.png")
    text = find_text(watermark)
    assert text is not None
    is_white = (watermark[0].amin(dim=0) > 0.97) & (torch.arange(640)[:, None] > 85)
    is_white[:, 810:] = False  # a cloud
    is_white[125:] = False
    assert text[0, 0][is_white].mean() > 0.95
    for photo in sorted((DATA / "samples").glob("*.jpg"))[:6]:
        text = find_text(io.read_image(photo))
        mask = io.read_mask(photo.with_name(f"{photo.stem}_mask.png"))
        assert text is None or float((text * (mask > 0.5)).mean()) < 1e-4
