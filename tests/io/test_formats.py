import struct
import subprocess
import sys
from io import BytesIO

import cv2
import numpy as np
import pillow_heif
import pytest
import torch
from PIL import Image

from stylecinegan import io
from stylecinegan.data.pictures import PictureFolder
from stylecinegan.errors import InputError
from stylecinegan.io.jxl_header import read_jxl_size
from tests.io.pictures import check_damaged, photo, pixels_of
from tests.io.profiles import DISPLAY_P3, matrix_profile


def test_heic_is_read_by_a_fresh_process(tmp_path):
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


def test_heic_with_alpha_is_composited_over_white(tmp_path):
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
    with pytest.raises(InputError, match=r"a\.heic") as caught:
        io.read_image(tmp_path / "a.heic")
    assert "\n" not in str(caught.value)


def test_random_damage_to_a_heic_raises_an_input_error_or_nothing(tmp_path):
    Image.fromarray(photo()).save(tmp_path / "a.heic")
    check_damaged(tmp_path / "a.heic")


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


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_white_in_a_jpeg_2000_in_colour_stays_white(tmp_path, depth):
    white = np.iinfo(depth).max
    values = np.linspace(0, white, 64 * 48 * 3).astype(depth).reshape(48, 64, 3)
    lossless = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    cv2.imwrite(str(tmp_path / "a.jp2"), values[..., ::-1], lossless)
    expected = torch.from_numpy(values / white * 2 - 1).float().permute(2, 0, 1)[None]
    # OpenCV does not write without loss.
    torch.testing.assert_close(io.read_image(tmp_path / "a.jp2"), expected, atol=0.02, rtol=0)


@pytest.fixture
def jxl():
    return pytest.importorskip("pillow_jxl")


def write_jxl(path, pixels, **options):
    Image.fromarray(pixels).save(path, "JXL", lossless=True, **options)


def test_jpeg_xl_is_read_if_its_package_is_installed(tmp_path, jxl):
    for name, pixels in (("a.jxl", photo()), ("b.jxl", photo()[..., 0])):
        write_jxl(tmp_path / name, pixels)
    assert (pixels_of(tmp_path / "a.jxl") == photo()).all()
    assert (pixels_of(tmp_path / "b.jxl") == photo()[..., :1]).all()
    assert (PictureFolder(tmp_path).read("a.jxl") == photo()).all()


def test_jpeg_xl_with_alpha_is_composited_over_white(tmp_path, jxl):
    opacity = np.zeros((48, 64), np.uint8)
    opacity[:, 32:] = 255
    write_jxl(tmp_path / "a.jxl", np.dstack([photo(), opacity]))
    pixels = pixels_of(tmp_path / "a.jxl")
    assert (pixels[:, :32] == 255).all()
    assert (pixels[:, 32:] == photo()[:, 32:]).all()


def test_a_jpeg_repacked_as_jpeg_xl_is_read_as_the_jpeg(tmp_path, jxl):
    turned = Image.Exif()
    turned[274] = 6
    Image.fromarray(photo()).save(tmp_path / "a.jpg", quality=95, exif=turned.tobytes())
    with Image.open(tmp_path / "a.jpg") as jpeg:
        jpeg.save(tmp_path / "a.jxl", "JXL", lossless_jpeg=True)
    assert pixels_of(tmp_path / "a.jpg").shape == (64, 48, 3)
    assert (pixels_of(tmp_path / "a.jxl") == pixels_of(tmp_path / "a.jpg")).all()


def test_exif_orientation_is_not_applied_to_jpeg_xl_twice(tmp_path, jxl):
    # Its own header turns the picture, and the decoder has done so.
    turned = Image.Exif()
    turned[274] = 6
    write_jxl(tmp_path / "a.jxl", photo(), exif=turned.tobytes())
    assert (pixels_of(tmp_path / "a.jxl") == photo()).all()


@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
def test_a_cut_off_jpeg_xl_is_refused(tmp_path, jxl, part):
    write_jxl(tmp_path / "a.jxl", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    data = (tmp_path / "a.jxl").read_bytes()
    (tmp_path / "a.jxl").write_bytes(data[: int(part * len(data))])
    with pytest.raises(InputError, match=r"a\.jxl"):
        io.read_image(tmp_path / "a.jxl")


def test_random_damage_to_a_jpeg_xl_raises_an_input_error_or_nothing(tmp_path, jxl):
    write_jxl(tmp_path / "a.jxl", photo())
    check_damaged(tmp_path / "a.jxl", first=2, num_bytes=4)


@pytest.mark.parametrize("size", [(8, 8), (64, 48), (256, 192), (300, 200), (7, 2000), (1600, 900)])
@pytest.mark.parametrize("use_container", [False, True])
def test_the_size_of_a_jpeg_xl_is_read_from_its_header(jxl, size, use_container):
    stream = BytesIO()
    grey = Image.new("L", size)
    grey.save(stream, "JXL", use_container=use_container, effort=1)
    stream.seek(0)
    assert read_jxl_size(stream) == size
    assert stream.tell() == 0


def test_a_jpeg_xl_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, jxl):
    # A header of 20000x10000 and nothing behind it: width by height is 2:1, the seventh ratio.
    bits = 0 | 2 << 1 | (10_000 - 1) << 3 | 7 << 21
    (tmp_path / "a.jxl").write_bytes(b"\xff\x0a" + struct.pack("<Q", bits) + bytes(16))
    with pytest.raises(InputError, match="wanted at most 100 megapixels"):
        io.read_image(tmp_path / "a.jxl")


def test_without_its_package_jpeg_xl_is_refused_with_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.jxl").write_bytes(b"\xff\x0a" + bytes(30))
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)  # makes importing it fail
    with pytest.raises(InputError, match=r"found JPEG XL, which 'pip install stylecinegan\[jxl\]'"):
        io.read_image(tmp_path / "a.jxl")
