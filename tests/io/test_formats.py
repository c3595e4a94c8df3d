import subprocess
import sys

import numpy as np
import pillow_heif
import pytest
import torch
from PIL import Image

from stylecinegan import io
from stylecinegan.errors import InputError
from tests.io.profiles import DISPLAY_P3, matrix_profile

pillow_heif.register_heif_opener()


def photo(height=48, width=64):
    y, x = np.mgrid[:height, :width]
    return np.stack([255 * x / width, 255 * y / height, 60 + 0 * x], -1).astype(np.uint8)


def pixels_of(path):
    return io.to_uint8(io.read_image(path)).numpy().astype(int)


def test_heic_is_read_by_a_process_that_never_saw_one(tmp_path):
    Image.fromarray(photo()).save(tmp_path / "IMG_0001.HEIC", format="HEIF", quality=95)
    code = (
        "import sys; from stylecinegan import io; assert 'pillow_heif' not in sys.modules;"
        "print(list(io.read_image(sys.argv[1]).shape))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "IMG_0001.HEIC")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[1, 3, 48, 64]", done.stderr


def test_of_several_pictures_in_a_heic_the_primary_one_is_read(tmp_path):
    file = pillow_heif.HeifFile()
    for pixels in (photo() // 2, photo(), photo() // 3):
        file.add_from_pillow(Image.fromarray(pixels))
    file.save(tmp_path / "a.heic", primary_index=1, quality=95)
    assert np.abs(pixels_of(tmp_path / "a.heic") - photo()).mean() < 3


def test_heic_with_opacity_shows_white_where_it_is_transparent(tmp_path):
    opacity = np.zeros((48, 64), np.uint8)
    opacity[:, 32:] = 255
    rgba = Image.fromarray(np.dstack([photo(), opacity]))
    rgba.save(tmp_path / "a.heic", quality=-1)
    pixels = pixels_of(tmp_path / "a.heic")
    assert (pixels[:, :32] == 255).all()
    assert np.abs(pixels[:, 32:] - photo()[:, 32:]).mean() < 3


@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
def test_a_damaged_heic_is_refused(tmp_path, part):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.heic")
    data = (tmp_path / "a.heic").read_bytes()
    (tmp_path / "a.heic").write_bytes(data[: int(part * len(data))])
    with pytest.raises(InputError, match=r"a\.heic"):
        io.read_image(tmp_path / "a.heic")


def test_random_damage_to_a_heic_never_raises_anything_else(tmp_path):
    random = np.random.default_rng(2)
    Image.fromarray(photo()).save(tmp_path / "a.heic")
    whole = np.fromfile(tmp_path / "a.heic", np.uint8)
    for _ in range(40):
        damaged = whole.copy()
        damaged[random.integers(0, len(whole), 8)] = random.integers(0, 256, 8)
        (tmp_path / "a.heic").write_bytes(damaged.tobytes())
        try:
            io.read_image(tmp_path / "a.heic")
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017 (both outcomes are right)


def test_without_its_package_heic_is_refused_with_what_to_install(tmp_path, monkeypatch):
    Image.fromarray(photo()).save(tmp_path / "a.heic")
    monkeypatch.delitem(Image.OPEN, "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # makes importing it fail
    with pytest.raises(InputError, match="found HEIC, which 'pip install pillow-heif' makes"):
        io.read_image(tmp_path / "a.heic")


def test_a_gain_map_behind_a_jpeg_changes_nothing(tmp_path):
    # As phones write HDR: the picture, its gain map behind it, and an index of the two.
    profile = matrix_profile(DISPLAY_P3)
    gain_map = Image.fromarray(np.full((24, 32), 200, np.uint8)).convert("RGB")
    picture = Image.fromarray(photo())
    options = {"quality": 95, "icc_profile": profile}
    picture.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[gain_map], **options)
    picture.save(tmp_path / "b.jpg", **options)
    assert Image.open(tmp_path / "a.jpg").format == "MPO"
    assert (pixels_of(tmp_path / "a.jpg") == pixels_of(tmp_path / "b.jpg")).all()


@pytest.mark.parametrize("largest", [1, 100, 255, 1000, 65535])
def test_pgm_is_white_where_its_header_says(tmp_path, largest):
    values = np.array([[0, largest, largest // 2]])
    stored = values.astype(">u2" if largest > 255 else "u1").tobytes()
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 %d\n" % largest + stored)
    expected = torch.from_numpy(values / largest * 2 - 1).float().view(1, 1, 1, 3)
    step = 2 / (255 if largest <= 255 else 65535)
    torch.testing.assert_close(
        io.read_image(tmp_path / "a.pgm"), expected.repeat(1, 3, 1, 1), atol=step, rtol=0
    )
    torch.testing.assert_close(
        io.read_mask(tmp_path / "a.pgm"), (expected + 1) / 2, atol=step, rtol=0
    )


def test_pfm_is_read_where_its_values_are_in_the_unit_range(tmp_path):
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    Image.fromarray(values).save(tmp_path / "a.pfm")
    torch.testing.assert_close(
        io.read_mask(tmp_path / "a.pfm")[0, 0], torch.from_numpy(values), atol=1e-5, rtol=0
    )
    Image.fromarray(values * 3).save(tmp_path / "a.pfm")
    with pytest.raises(InputError, match=r"a\.pfm: wanted .* in \[0, 1\], found .* to 3\.0"):
        io.read_image(tmp_path / "a.pfm")


def test_16_bit_jpeg_2000_is_read(tmp_path):
    values = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)
    Image.fromarray(values).save(tmp_path / "a.jp2")
    image = io.read_image(tmp_path / "a.jp2")
    expected = torch.from_numpy(values / 65535 * 2 - 1).float()
    torch.testing.assert_close(image[0, 1], expected, atol=1e-4, rtol=0)
