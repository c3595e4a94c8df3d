import struct
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from stylecinegan import io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.data.pictures import PictureFolder
from tests.io import pictures  # noqa: F401 (registers HEIC for writing)
from tests.io.profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    PROPHOTO,
    SRGB,
    grey_profile,
    ink_profile,
    matrix_profile,
)

# How each profile stores pure red, green and blue of sRGB, and a grey, as tables of them say.
STORED = {
    "Display P3": (
        matrix_profile(DISPLAY_P3),
        [(234, 51, 35), (117, 251, 76), (0, 0, 245), (128, 128, 128)],
    ),
    "Adobe RGB": (
        matrix_profile(ADOBE_RGB, 563 / 256),
        [(219, 0, 0), (144, 255, 60), (0, 0, 250), (127, 127, 127)],
    ),
    "ProPhoto": (
        matrix_profile(PROPHOTO, 1.8),
        [(179, 70, 26), (138, 237, 78), (86, 35, 236), (107, 107, 107)],
    ),
}
SHOWN = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)])

# Rounding a stored value by a half becomes up to 12.92 times as much near black.
NEAR = 4

EXACT = {
    ".jpg": {"quality": 100, "subsampling": 0},
    ".webp": {"lossless": True},
    ".avif": {"quality": 100, "subsampling": "4:4:4"},
    ".heic": {"quality": -1, "chroma": 444, "matrix_coefficients": 0},
}


def tiles(colours):
    """Squares of 16 pixels in a row."""
    return np.array(colours, np.uint8)[None].repeat(16, 0).repeat(16, 1)


def centres(image):
    return io.to_uint8(image)[8, 8::16].numpy().astype(int)


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".avif", ".heic"])
def test_colours_become_srgb_by_the_embedded_profile(tmp_path, name, suffix):
    profile, stored = STORED[name]
    options = EXACT.get(suffix, {})
    path = tmp_path / f"a{suffix}"
    Image.fromarray(tiles(stored)).save(path, icc_profile=profile, **options)
    # AVIF changes the stored colours by 1 first.
    assert np.abs(centres(io.read_image(path)) - SHOWN).max() <= NEAR + 12 * (suffix == ".avif")


@pytest.mark.parametrize("name", STORED)
def test_training_pictures_become_srgb_as_well(tmp_path, name):
    profile, stored = STORED[name]
    Image.fromarray(tiles(stored)).save(tmp_path / "a.png", icc_profile=profile)
    picture = PictureFolder(tmp_path).read("a.png")
    assert np.abs(picture[8, 8::16].astype(int) - SHOWN).max() <= NEAR


def write_deep_png(path, pixels, profile):
    """Writes 16 bits with a profile, which Pillow cannot."""
    data = cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    body = b"iCCPname\0\0" + zlib.compress(profile)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(data[:33] + chunk + data[33:])


@pytest.mark.parametrize("name", STORED)
def test_16_bit_colours_become_srgb_without_losing_precision(tmp_path, name):
    profile, stored = STORED[name]
    write_deep_png(tmp_path / "a.png", tiles(stored).astype(np.uint16) * 257, profile)
    assert np.abs(centres(io.read_image(tmp_path / "a.png")) - SHOWN).max() <= NEAR
    ramp = np.linspace(0, 65535, 4096).astype(np.uint16)[None, :, None].repeat(3, axis=2)
    write_deep_png(tmp_path / "b.png", ramp, profile)
    assert len(io.read_image(tmp_path / "b.png")[0, 0, 0].unique()) > 3500


def test_the_same_colours_under_two_profiles_are_read_alike(tmp_path):
    photo = io.to_uint8(draw_landscape(64, 96).image).numpy()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = matrix_profile(DISPLAY_P3)
    Image.fromarray(photo).save(tmp_path / "srgb.png", icc_profile=srgb)
    stored = ImageCms.profileToProfile(
        Image.fromarray(photo),
        ImageCms.createProfile("sRGB"),
        ImageCms.ImageCmsProfile(BytesIO(profile)),
    )
    stored.save(tmp_path / "p3.png", icc_profile=profile)
    assert np.abs(np.asarray(stored).astype(int) - photo).max() > 10
    first, second = (io.read_image(tmp_path / f"{name}.png") for name in ("srgb", "p3"))
    assert torch.equal(io.to_uint8(first), torch.from_numpy(photo))
    assert (first - second).abs().max() * 127.5 <= 2


def test_a_profile_of_srgb_under_any_name_changes_nothing(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png", icc_profile=matrix_profile(SRGB))
    assert (io.to_uint8(io.read_image(tmp_path / "a.png")).numpy() == noise).all()


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_grey_pictures_follow_their_curve(tmp_path, depth):
    # Linear grey: 0.2140 of the light is 127.5 of 255 in sRGB.
    scale = np.iinfo(depth).max
    grey = np.full((4, 4), round(0.2140 * scale), depth)
    Image.fromarray(grey).save(tmp_path / "a.png", icc_profile=grey_profile(1.0))
    image = io.read_image(tmp_path / "a.png")
    assert (image * 127.5).abs().max() <= 1
    Image.fromarray(grey).save(tmp_path / "b.png", icc_profile=matrix_profile(SRGB, 1.0))
    assert (io.read_image(tmp_path / "b.png") * 127.5).abs().max() <= 1


def test_cmyk_is_converted_by_its_profile(tmp_path):
    # Cyan prints the blue of sRGB, which is this in Lab under D50, and magenta a middle grey.
    profile = ink_profile([(29.6, 68.3, -112.0), (53.6, 0, 0), (97.6, -15.8, 93.4), (0, 0, 0)])
    inks = np.zeros((1, 5, 4), np.uint8)
    inks[0, range(4), range(4)] = 255
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.tif", icc_profile=profile)
    shown = io.to_uint8(io.read_image(tmp_path / "a.tif"))[0].numpy().astype(int)
    expected = [(0, 0, 255), (128, 128, 128), (255, 255, 0), (0, 0, 0), (255, 255, 255)]
    assert np.abs(shown - expected).max() <= 8  # of a profile of 8 bits


def test_opacity_is_kept_beside_converted_colours(tmp_path):
    profile, stored = STORED["Display P3"]
    rgba = np.dstack([tiles(stored), np.full((16, 64), 255, np.uint8)])
    rgba[:, :16, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "a.png", icc_profile=profile)
    shown = centres(io.read_image(tmp_path / "a.png"))
    assert shown[0].tolist() == [255, 255, 255]
    assert np.abs(shown[1:] - SHOWN[1:]).max() <= NEAR


def test_adobe_rgb_is_recognised_by_exif_without_a_profile(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03", 2: b"0100"}
    stored = tiles(STORED["Adobe RGB"][1])
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    assert np.abs(centres(io.read_image(tmp_path / "a.jpg")) - SHOWN).max() <= NEAR


BROKEN = {
    "text": b"this is no profile at all",
    "cut": matrix_profile(DISPLAY_P3)[:200],
    "of inks": ink_profile([(50, 0, 0)] * 4),
    "of a printer's queue": matrix_profile(DISPLAY_P3).replace(b"RGB ", b"6CLR"),
    "with a curve of another kind": matrix_profile(DISPLAY_P3).replace(b"para", b"parb"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("is_deep", [False, True])
def test_a_broken_profile_is_ignored_with_a_warning(tmp_path, caplog, name, is_deep):
    noise = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    profile = BROKEN[name] + bytes([is_deep])
    if is_deep:
        write_deep_png(tmp_path / "a.png", noise.astype(np.uint16) * 257, profile)
    else:
        Image.fromarray(noise).save(tmp_path / "a.png", icc_profile=profile)
    image = io.read_image(tmp_path / "a.png")
    assert torch.equal(io.to_uint8(image), torch.from_numpy(noise))
    assert "a.png: its colour profile is damaged or of another kind, ignored" in caplog.text


def test_random_damage_to_a_profile_never_raises(tmp_path):
    random = np.random.default_rng(1)
    whole = np.frombuffer(matrix_profile(DISPLAY_P3), np.uint8)
    pixels = np.zeros((3, 3, 3), np.uint8)
    for number in range(60):
        damaged = whole.copy()
        damaged[random.integers(0, len(whole), 6)] = random.integers(0, 256, 6)
        path = tmp_path / "a.png"
        if number % 2:
            write_deep_png(path, pixels.astype(np.uint16), damaged.tobytes())
        else:
            Image.fromarray(pixels).save(path, icc_profile=damaged.tobytes())
        assert io.read_image(path).isfinite().all()


def test_profiles_are_not_applied_to_masks(tmp_path):
    soft = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(soft).save(tmp_path / "a.png", icc_profile=grey_profile(1.0))
    mask = io.read_mask(tmp_path / "a.png")[0, 0]
    torch.testing.assert_close(mask, torch.from_numpy(soft / 255).float())


REPORTS = Path(__file__).parents[3] / "shared/data/reports"


@pytest.mark.skipif(not REPORTS.exists(), reason="needs ../shared/data/reports")
def test_a_phone_photo_and_its_srgb_copy_differ_by_the_rounding_of_jpeg_alone(tmp_path):
    copy = Image.open(REPORTS / "srgb_same_look.jpg")
    with Image.open(REPORTS / "p3_same_look.jpg") as phone:
        profile, tables = phone.info["icc_profile"], phone.quantization
    srgb, p3 = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(BytesIO(profile))
    stored = ImageCms.profileToProfile(copy, srgb, p3, outputMode="RGB")
    stored.save(tmp_path / "a.png", icc_profile=profile)
    stored.save(tmp_path / "a.jpg", icc_profile=profile, qtables=tables, subsampling=0)

    def distance(path):
        return (io.read_image(path) - io.read_image(copy.filename)).abs() * 127.5

    given, rounded = distance(REPORTS / "p3_same_look.jpg"), distance(tmp_path / "a.jpg")
    assert distance(tmp_path / "a.png").max() <= 2
    # The copy rounded once more by the tables of the phone: 0.5 on average, 6 at most.
    assert given.mean() < 1.1 * rounded.mean()
    assert (given > 2.5).float().mean() < 1.25 * (rounded > 2.5).float().mean()
    assert given.max() <= rounded.max() + 1
