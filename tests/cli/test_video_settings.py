from dataclasses import replace

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from stylecinegan import io
from stylecinegan.camera import Camera
from stylecinegan.cinemagraph import Cinemagraph
from stylecinegan.cli.video_settings import (
    aim_camera,
    check_video_settings,
    log_reduction,
    moving_layers,
    size_photo,
    write_video,
)
from stylecinegan.errors import InputError

DEFAULTS = {
    "size": None,
    "aspect": None,
    "fps": 10,
    "repeat": 1,
    "max_mb": None,
    "alpha": False,
    "poster": False,
    "camera": "none",
    "camera_amount": 0.05,
    "depth": None,
}


def settings(**changes):
    return OmegaConf.create({**DEFAULTS, **changes})


@pytest.fixture
def cinemagraph():
    """The right third moves; its edge is soft."""
    torch.manual_seed(0)
    photo = torch.rand(1, 3, 48, 72) - 0.5
    mask = ((torch.arange(72.0) - 44) / 4).clamp(0, 1).expand(1, 1, 48, 72)
    motion = torch.cat([mask, 0 * mask], dim=1)

    def frames():
        for frame in range(4):
            yield photo + mask * (torch.roll(photo, frame, 3) - photo)

    def invert():
        raise AssertionError("no inversion is needed")

    return Cinemagraph(4, photo, mask, motion, invert, frames)


@pytest.mark.parametrize(
    ("own", "size", "expected"),
    [
        ((40, 4096), None, (40, 4096)),
        ((200, 8192), None, (100, 4096)),
        ((8192, 200), None, (4096, 100)),
        ((200, 8192), 8192, (200, 8192)),
        ((40, 30), None, (40, 30)),
    ],
)
def test_the_default_size_is_limited_to_what_players_show(own, size, expected):
    photo = torch.zeros(1, 3, *own)
    assert tuple(size_photo(photo, settings(size=size)).shape[2:]) == expected


def test_a_reduction_of_the_photo_is_logged_with_the_setting_that_avoids_it(caplog):
    caplog.set_level("INFO")
    photo = torch.zeros(1, 3, 200, 8192)
    for size in (None, 1024):
        cfg = settings(size=size)
        log_reduction((200, 8192), size_photo(photo, cfg), cfg)
    (line,) = caplog.messages
    assert "8192x200 pixels and the video 4096x100" in line
    assert "size=8192" in line


def test_moving_layers_composited_over_the_photo_are_the_frames(cinemagraph):
    for layer, frame in zip(
        moving_layers(cinemagraph, cinemagraph.frames), cinemagraph.frames, strict=True
    ):
        opacity = (layer[:, 3:] + 1) / 2
        torch.testing.assert_close(opacity, cinemagraph.mask)
        composed = opacity * layer[:, :3] + (1 - opacity) * cinemagraph.photo
        torch.testing.assert_close(composed, frame, rtol=0, atol=1e-5)


def test_with_a_camera_layers_composited_over_the_reprojected_photo_are_the_frames(cinemagraph):
    nearness = torch.linspace(0, 1, 48).view(1, 1, 48, 1).expand(1, 1, 48, 72)
    moved = replace(cinemagraph, camera=Camera("slide", nearness))
    for number, layer in enumerate(moving_layers(moved, moved.frames)):
        opacity = (layer[:, 3:] + 1) / 2
        composed = opacity * layer[:, :3] + (1 - opacity) * moved.reproject(moved.photo, number)
        frame = moved.reproject(list(moved.steady_frames)[number], number)
        # Colours out of range, where the mask is almost 0, are clipped.
        is_exact = (layer[:, :3].abs() < 1).all(1, keepdim=True).expand_as(frame)
        step = 1 / 127.5
        torch.testing.assert_close(composed[is_exact], frame[is_exact], rtol=0, atol=step)
        assert is_exact.float().mean() > 0.95


def test_transparency_is_reprojected_to_the_camera(tmp_path, cinemagraph):
    nearness = torch.ones(1, 1, 48, 72)
    moved = replace(cinemagraph, camera=Camera("push", nearness, amount=0.2))
    opacity = torch.zeros(1, 1, 48, 72)
    opacity[..., 30:42] = 1.0
    write_video(tmp_path / "a/", moved, moved.frames, settings(), opacity)
    widths = [
        (torch.from_numpy(np.array(Image.open(file)))[24, :, 3] > 127).sum().item()
        for file in sorted((tmp_path / "a").iterdir())
    ]
    assert widths[0] == 12
    assert widths[2] == round(12 / (1 - 2 * 0.2))


def test_the_focus_of_a_push_is_moved_into_the_crop(cinemagraph):
    camera = Camera("push", torch.zeros(1, 1, 48, 72), focus=(0.5, 0.1))
    moved = replace(cinemagraph, camera=camera)
    assert aim_camera(moved, settings()).camera.focus == (0.5, 0.1)
    aimed = aim_camera(moved, settings(aspect="1:2"))
    assert aimed.camera.focus == pytest.approx((60 / 72, 0.25))


def test_the_crop_contains_the_moving_region_and_the_poster_is_cropped_too(tmp_path, cinemagraph):
    cfg = settings(aspect="1:2", poster=True)
    write_video(tmp_path / "frames", cinemagraph, cinemagraph.frames, cfg)
    read = list(io.read_video(tmp_path / "frames"))
    assert len(read) == 4
    assert read[0].shape == (1, 3, 48, 24)
    torch.testing.assert_close(read[1], list(cinemagraph.frames)[1][..., 48:], rtol=0, atol=1 / 255)
    poster = io.read_image(tmp_path / "frames_poster.jpg")
    assert (poster - read[0]).abs().mean() < 0.1


def test_alpha_repetitions_and_the_largest_size_apply_to_the_file(tmp_path, cinemagraph):
    write_video(tmp_path / "a/", cinemagraph, cinemagraph.frames, settings(alpha=True, repeat=2))
    files = sorted((tmp_path / "a").iterdir())
    assert len(files) == 8
    assert Image.open(files[0]).mode == "RGBA"
    contents = [file.read_bytes() for file in files]
    assert contents[:4] == contents[4:]
    assert len(set(contents)) == 4
    sizes = []
    for limit in (None, 0.008):
        write_video(tmp_path / "a.gif", cinemagraph, cinemagraph.frames, settings(max_mb=limit))
        sizes.append((tmp_path / "a.gif").stat().st_size)
    assert sizes[1] <= 8000 < sizes[0]


def test_a_photo_is_resized_to_cover_a_preset(cinemagraph):
    assert size_photo(cinemagraph.photo, settings(size="story")).shape[2:] == (1920, 2880)
    assert size_photo(cinemagraph.photo, settings(size=144)).shape[2:] == (96, 144)


@pytest.mark.parametrize(
    ("changes", "video", "message"),
    [
        ({"repeat": 0}, "a.mp4", "repeat must be a whole number of at least 1, got 0"),
        ({"repeat": 1.5}, "a.mp4", "repeat must be a whole number"),
        ({"repeat": 2}, "a.gif", r"\.gif loops by itself"),
        ({"max_mb": -1}, "a.gif", "max_mb must be"),
        ({"max_mb": 0}, "a.gif", "max_mb must be more than 0"),
        ({"max_mb": 8}, "frames/", "a folder of frames has no size"),
        ({"size": "huge"}, "a.mp4", "story, portrait, square, hd, 4k, got huge"),
        ({"size": "story", "aspect": "1:1"}, "a.mp4", "leave aspect=1:1 out"),
        ({"aspect": 1.5}, "a.mp4", "WIDTH:HEIGHT"),
        ({"camera": "fly"}, "a.mp4", "camera must be one of none, push, slide, got fly"),
        ({"camera_amount": 0}, "a.mp4", "above 0, of at most 0.2, got 0"),
        ({"depth": "d.png"}, "a.mp4", "set camera=push or camera=slide"),
        ({"alpha": True}, "a.mp4", r"\.mp4 holds no alpha, wanted \.webm"),
    ],
)
def test_invalid_settings_are_refused(changes, video, message):
    with pytest.raises(InputError, match=message):
        check_video_settings(settings(**changes), [video])
