import numpy as np
import pytest
import torch

from stylecinegan.io import load_opencv
from stylecinegan.mask.overlays import find_text
from stylecinegan.mask.small_text import find_small_text


def write(values, text="www.example.com", left=20, bottom=245, contrast=0.3):
    """Writes letters that are 5 pixels high, antialiased."""
    cv2 = load_opencv()
    large = np.zeros((values.shape[0] * 4, values.shape[1] * 4), np.uint8)
    cv2.putText(large, text, (4 * left, 4 * bottom), cv2.FONT_HERSHEY_SIMPLEX, 0.95, 255, 3)
    letters = cv2.resize(large, values.shape[::-1], interpolation=cv2.INTER_AREA) / 255.0
    return (values + contrast * letters).clip(0.0, 1.0).astype(np.float32), letters


def sea(size=(256, 256)):
    rows = np.linspace(0.35, 0.65, size[0], dtype=np.float32)
    return np.repeat(rows[:, None], size[1], axis=1)


@pytest.mark.parametrize("contrast", [0.4, 0.15, -0.2])
def test_letters_of_five_pixels_are_found_whether_bright_or_dark(contrast):
    picture, letters = write(sea(), contrast=contrast)
    found = find_small_text(picture)
    assert found[letters > 0.4].mean() > 0.9
    assert not found[:230].any()


def test_a_line_at_the_upper_border_is_found_and_one_amid_the_picture_is_not():
    upper, _ = write(sea(), bottom=12)
    middle, _ = write(sea(), bottom=130)
    assert find_small_text(upper)[:20].any()
    assert not find_small_text(middle).any()


@pytest.mark.parametrize("seed", range(4))
def test_ripples_and_grain_are_no_text(seed):
    random = np.random.default_rng(seed)
    cv2 = load_opencv()
    ripples = cv2.GaussianBlur(
        random.normal(size=(256, 256)).astype(np.float32), (0, 0), 4, sigmaY=1
    )
    assert not find_small_text((sea() + 0.5 * ripples).clip(0.0, 1.0)).any()
    grain = random.normal(0.0, 0.15, (256, 256)).astype(np.float32)
    assert not find_small_text((sea() + grain).clip(0.0, 1.0)).any()


def test_a_ridge_of_firs_and_a_single_boat_are_no_text():
    picture = sea()
    heights = np.random.default_rng(0).integers(4, 14, 256)
    for column, height in enumerate(heights):
        picture[225 - height : 256, column] = 0.1
    picture[20:25, 100:108] = 0.1
    assert not find_small_text(picture).any()


def test_large_photos_are_left_to_the_detection_of_letters():
    picture, _ = write(sea((700, 900)), bottom=690)
    assert not find_small_text(picture).any()


def test_small_print_is_part_of_the_text_of_a_small_photo():
    picture, letters = write(sea(), contrast=0.15)
    photo = torch.from_numpy(picture)[None, None].expand(1, 3, -1, -1) * 2.0 - 1.0
    text = find_text(photo)
    assert text is not None
    assert text[0, 0].numpy()[letters > 0.4].min() > 0.9
    assert find_text(torch.from_numpy(sea())[None, None].expand(1, 3, -1, -1) * 2.0 - 1.0) is None
