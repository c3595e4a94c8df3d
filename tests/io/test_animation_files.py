import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from stylecinegan import io


def clip(num_frames, height=60, width=80):
    """A smooth picture in which a square moves; the right half is still."""
    y, x = torch.meshgrid(
        torch.linspace(-0.9, 0.9, height), torch.linspace(-0.9, 0.9, width), indexing="ij"
    )
    base = torch.stack([x, y, -x * y])[None]
    for frame in range(num_frames):
        image = base.clone()
        image[..., 20:30, frame % 30 : frame % 30 + 10] = torch.tensor([0.9, -0.9, 0.2]).view(
            1, 3, 1, 1
        )
        yield image


def animation_of(path):
    with Image.open(path) as picture:
        loop = picture.info.get("loop")
        frames, delays = [], []
        for frame in ImageSequence.Iterator(picture):
            frames.append(np.asarray(frame.convert("RGB")).astype(int))
            delays.append(frame.info["duration"])
    return frames, delays, loop


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_loops_for_ever_or_as_often_as_asked(tmp_path, suffix):
    io.write_video(tmp_path / f"a{suffix}", clip(3), fps=10)
    assert animation_of(tmp_path / f"a{suffix}")[2] == 0
    io.write_video(tmp_path / f"b{suffix}", clip(3), fps=10, loops=3)
    # GIF counts repetitions and WebP counts plays.
    assert animation_of(tmp_path / f"b{suffix}")[2] == (2 if suffix == ".gif" else 3)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("fps", [10, 24, 30])
def test_the_loop_keeps_its_length(tmp_path, suffix, fps):
    io.write_video(tmp_path / f"a{suffix}", clip(25), fps=fps)
    frames, delays, _ = animation_of(tmp_path / f"a{suffix}")
    assert len(frames) == 25
    assert sum(delays) == pytest.approx(25_000 / fps, abs=5.1 if suffix == ".gif" else 2)
    assert max(delays) - min(delays) <= 10


def test_a_gif_drops_frames_whose_delay_is_too_short_for_browsers(tmp_path):
    io.write_video(tmp_path / "a.gif", clip(60), fps=60)
    _, delays, _ = animation_of(tmp_path / "a.gif")
    assert sum(delays) == 1000
    assert min(delays) == 20


@pytest.mark.parametrize(("suffix", "tolerance"), [(".gif", 8), (".webp", 5)])
def test_decoded_frames_resemble_the_input(tmp_path, suffix, tolerance):
    io.write_video(tmp_path / f"a{suffix}", clip(12), fps=25)
    frames, _, _ = animation_of(tmp_path / f"a{suffix}")
    for decoded, image in zip(frames, clip(12), strict=True):
        difference = decoded - io.to_uint8(image).numpy().astype(int)
        assert np.abs(difference).mean() < tolerance
        # Dithering and compression must not change the colours as such.
        assert np.abs(difference.mean(axis=(0, 1))).max() < 1.5


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_static_pixels_do_not_flicker(tmp_path, suffix):
    io.write_video(tmp_path / f"a{suffix}", clip(10), fps=25)
    frames, _, _ = animation_of(tmp_path / f"a{suffix}")
    for frame in frames[1:]:
        # Of a WebP, macroblocks of 16 pixels are static as a whole.
        assert (frame[:, 48:] == frames[0][:, 48:]).all()
    assert (frames[1] != frames[0]).any()


def test_slow_changes_of_a_webp_do_not_add_up_to_errors(tmp_path):
    fog = torch.linspace(-0.5, 0.5, 64).view(1, 1, 1, -1).expand(1, 3, 48, 64)
    slow = [fog + 0.008 * number for number in range(40)]  # a level a frame
    io.write_video(tmp_path / "a.webp", slow, fps=25)
    frames, _, _ = animation_of(tmp_path / "a.webp")
    for decoded, image in zip(frames, slow, strict=True):
        assert np.abs(decoded - io.to_uint8(image).numpy()).mean() < 2.0


def test_flat_colours_of_a_gif_are_nearly_exact(tmp_path):
    colours = np.array([[255, 0, 0], [0, 255, 0], [10, 20, 200], [255, 255, 255]], np.uint8)
    pixels = colours.repeat(8, axis=0)[None].repeat(16, axis=0)
    io.write_video(tmp_path / "a.gif", [io.from_uint8(pixels)] * 2, fps=10)
    frames, delays, _ = animation_of(tmp_path / "a.gif")
    assert np.abs(frames[0] - pixels).max() <= 1
    assert sum(delays) == 200


def test_gif_and_webp_keep_odd_sides(tmp_path):
    for name in ("a.gif", "a.webp"):
        io.write_video(tmp_path / name, clip(2, 33, 47), fps=10)
        assert Image.open(tmp_path / name).size == (47, 33)
