import struct
import sys
import zlib

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from stylecinegan import io
from stylecinegan.errors import InputError
from tests.io.pictures import check_damaged, photo, pixels_of


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_a_picture_survives_reading_and_writing_bit_for_bit(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (65, 33, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "in.png")
    io.write_image(tmp_path / "new" / f"out{suffix}", io.read_image(tmp_path / "in.png"))
    assert (np.asarray(Image.open(tmp_path / "new" / f"out{suffix}")) == noise).all()
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == [f"out{suffix}"]


def test_every_value_is_restored_and_values_out_of_range_are_clamped():
    values = torch.arange(256, dtype=torch.uint8).reshape(16, 16, 1).repeat(1, 1, 3)
    image = io.from_uint8(values)
    assert image.shape == (1, 3, 16, 16)
    assert image.dtype == torch.float32
    assert (image.min(), image.max()) == (-1, 1)
    assert torch.equal(io.to_uint8(image), values)
    assert io.to_uint8(image).is_contiguous()
    assert torch.equal(io.to_uint8(image.double()), values)
    assert io.to_uint8(torch.tensor([-1.5, 1.5]).view(1, 1, 1, 2)).flatten().tolist() == [0, 255]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff", ".bmp"])
def test_usual_formats_are_read(tmp_path, suffix):
    path = tmp_path / f"bild é 山{suffix}"
    Image.fromarray(photo()).save(path, quality=95)
    assert np.abs(pixels_of(path) - photo()).mean() < 3


def test_relative_paths_and_trailing_slashes_are_accepted(tmp_path, monkeypatch):
    Image.fromarray(photo()).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert (pixels_of("a.png") == photo()).all()
    assert (pixels_of(f"{tmp_path}/a.png/") == photo()).all()


LOSSY = ("jpeg", "webp", "heic", "avif")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff", "webp", "deep png", "heic", "avif"])
def test_exif_turns_the_picture_upright(tmp_path, kind, orientation):
    # How a camera stores an upright picture whose tag says `orientation`.
    store = {
        1: lambda p: p,
        2: np.fliplr,
        3: lambda p: np.rot90(p, 2),
        4: np.flipud,
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: np.rot90(p, 2).swapaxes(0, 1),
        8: lambda p: np.rot90(p, -1),
    }[orientation]
    path = write_tagged(tmp_path, kind, np.ascontiguousarray(store(photo())), orientation)
    result = pixels_of(path)
    assert result.shape == (48, 64, 3)
    assert np.abs(result - photo()).max() <= (16 if kind in LOSSY else 0)


@pytest.mark.parametrize("kind", ["png", "deep png"])
def test_an_orientation_that_exif_does_not_define_is_ignored(tmp_path, kind):
    assert (pixels_of(write_tagged(tmp_path, kind, photo(), 9)) == photo()).all()


def write_tagged(folder, kind, stored, orientation):
    """Writes a picture with an EXIF orientation; of a deep PNG the samples have 16 bits."""
    exif = Image.Exif()
    exif[274] = orientation
    path = folder / f"a.{kind.split()[-1]}"
    Image.fromarray(stored).save(path, exif=exif.tobytes(), quality=100)
    if kind == "deep png":
        data = cv2.imencode(".png", stored[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
        shallow = path.read_bytes()
        start = shallow.index(b"eXIf") - 4
        chunk = shallow[start : start + 12 + int.from_bytes(shallow[start : start + 4], "big")]
        path.write_bytes(data[:33] + chunk + data[33:])  # behind the first chunk
    return path


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "PA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    grey = Image.fromarray(photo()).convert("L")
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    elif mode == "PA":
        picture = grey.convert("P")
        picture.info["transparency"] = 255  # an entry that is not used
    else:
        picture = grey.convert(mode) if mode != "CMYK" else grey.convert("RGB").convert("CMYK")
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture.save(path)
    expected = np.asarray(picture.convert("RGB")) if mode == "1" else np.asarray(grey)[..., None]
    assert np.abs(pixels_of(path) - expected).max() <= 1


def test_transparent_pixels_are_composited_over_white(tmp_path):
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [0, 0, 0, 51]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    # A fifth of black over white leaves 204.
    assert pixels_of(tmp_path / "a.png").tolist() == [[[200, 100, 0], [255] * 3, [204] * 3]]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_pictures_keep_their_precision(tmp_path, suffix, channels):
    values = np.linspace(0, 65535, 300).astype(np.uint16).reshape(10, 30)
    stored = np.dstack([values, values[::-1], values[:, ::-1], 0 * values + 65535])  # b, g, r, a
    cv2.imwrite(str(tmp_path / f"a{suffix}"), values if channels == 1 else stored[..., :channels])
    image = io.read_image(tmp_path / f"a{suffix}")
    expected = values[..., None].repeat(3, -1) if channels == 1 else stored[..., 2::-1]
    expected = torch.from_numpy(expected / 65535 * 2 - 1).permute(2, 0, 1)[None].float()
    torch.testing.assert_close(image, expected)


@pytest.mark.parametrize("size", [(1, 1), (8, 2000)])
def test_a_single_pixel_and_a_long_strip_are_read(tmp_path, size):
    Image.fromarray(photo(*size)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels_of(tmp_path / "a.png"), photo(*size))


BAD = {
    "missing.jpg": (None, "no such file"),
    "empty.jpg": (b"", "an empty file"),
    "text.jpg": (b"hello, this is no picture", "unknown format.*hello"),
    "page.jpg": (b"\n<!DOCTYPE html><html></html>", "web page"),
    "new.jpg": (b"\xff\x0a\x00\x10", "a damaged JPEG XL"),
    "float.pfm": (b"PF\n1 1\n-1.0\n" + bytes(12), "a PFM in colour"),
    "film.jpg": (b"\0\0\0\x18ftypisom\0\0\0\0isom", "a video"),
    "phone.jpg": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_picture_is_refused_in_one_line(tmp_path, name):
    content, message = BAD[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: wanted a photo, found.*{message}") as caught:
        io.read_image(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_directory_is_refused_as_a_picture(tmp_path):
    with pytest.raises(InputError, match="found a directory"):
        io.read_image(tmp_path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_truncated_picture_is_refused(tmp_path, suffix, part):
    noise = np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(InputError, match=r"damaged or cut off|unknown format"):
        io.read_image(path)


def test_a_truncated_16_bit_picture_is_refused(tmp_path):
    noise = np.random.default_rng(1).integers(0, 65536, (99, 99, 3), np.uint16)
    data = cv2.imencode(".png", noise)[1].tobytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="damaged or cut off"):
        io.read_image(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp", ".gif"])
def test_random_damage_raises_an_input_error_or_nothing(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(photo()).save(path)
    check_damaged(path, is_cut=True)


@pytest.mark.parametrize("size", [(20_000, 5_001), (50_000, 20_000)])
def test_more_than_100_megapixels_are_refused_before_decoding(tmp_path, size):
    Image.new("L", (1, 1)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    header = b"IHDR" + struct.pack(">II", *size) + data[24:29]
    data = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(InputError, match="at most 100 megapixels"):
        io.read_image(tmp_path / "a.png")


def test_numbers_of_unknown_range_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "a.tif")
    assert io.read_image(tmp_path / "a.tif").unique().tolist() == [1]  # the range is [0, 1]
    Image.fromarray(np.full((4, 4), 1.5, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"8 or 16 bits.*mode F, from 1\.5 to 1\.5"):
        io.read_image(tmp_path / "a.tif")
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"mode F, from nan to nan"):
        io.read_image(tmp_path / "a.tif")
    Image.fromarray(np.full((4, 4), 90_000, np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"mode I, 32-bit integers"):
        io.read_image(tmp_path / "a.tif")


def test_a_broken_opencv_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)  # makes "import cv2" raise ImportError
    with pytest.raises(InputError, match="pip install opencv-python-headless"):
        io.load_opencv()


def test_writing_an_unknown_format_names_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"ending in \.bmp, .*\.png.*found '\.xyz'"):
        io.write_image(tmp_path / "a.xyz", torch.zeros(1, 3, 4, 4))
