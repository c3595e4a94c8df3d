import av
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from stylecinegan import io
from stylecinegan.errors import InputError
from tests.io.moving import loop, with_alpha
from tests.io.pictures import COLOURS, flat_patches


def decoded(path, codec=None):
    """Frames ``[T, H, W, 4]``, their times in seconds, and the stream."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if codec is None:
            frames = list(container.decode(stream))
        else:  # FFmpeg's own VP9 decoder knows no alpha
            context = av.CodecContext.create(codec, "r")
            frames = [f for packet in container.demux(stream) for f in context.decode(packet)]
        pixels = np.stack([frame.to_ndarray(format="rgba") for frame in frames])
        return pixels, [frame.time for frame in frames], stream


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mov", ".avif"])
def test_colours_are_tagged_as_bt_709_in_all_three_lists(tmp_path, suffix):
    io.write_video(tmp_path / f"a{suffix}", loop(2), fps=30)
    with av.open(str(tmp_path / f"a{suffix}")) as container:
        next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        tags = context.colorspace, context.color_primaries, context.color_trc
    assert tags == (1, 1, 1)
    assert context.color_range == 1


@pytest.mark.parametrize("suffix", [".mov", ".avif", ".apng", ".webp"])
def test_frames_and_colours_are_preserved(tmp_path, suffix):
    patches = flat_patches()
    io.write_video(tmp_path / f"a{suffix}", [patches, patches.flip(3), patches], fps=25)
    frames = list(io.read_video(tmp_path / f"a{suffix}"))
    for frame, colours in zip(frames, [COLOURS, COLOURS[::-1], COLOURS], strict=True):
        error = np.abs(io.to_uint8(frame).numpy()[16, 16::32].astype(int) - colours)
        # Another colour matrix would be off by up to 26.
        assert error.mean() <= 2
        assert error.max() <= 12


def test_an_animated_png_is_exact_and_its_last_frame_lasts_as_long_as_the_others(tmp_path):
    frames = list(loop(4))
    io.write_video(tmp_path / "a.apng", frames, fps=10)
    with Image.open(tmp_path / "a.apng") as picture:
        assert picture.info["loop"] == 0
        read = [(np.asarray(f.convert("RGB")), f.info["duration"]) for f in _copies(picture)]
    for (pixels, duration), image in zip(read, frames, strict=True):
        assert (pixels == io.to_uint8(image).numpy()).all()
        assert duration == pytest.approx(100)


def _copies(picture):
    # Durations are known once a frame has been decoded.
    return (frame.copy() for frame in ImageSequence.Iterator(picture))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_repetitions_are_equal_bit_by_bit_and_follow_without_a_gap(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    io.write_video(tmp_path / f"once{suffix}", loop(7), fps=24)
    io.write_video(path, loop(7), fps=24, repeat=3)
    once = decoded(tmp_path / f"once{suffix}")[0]
    pixels, times, stream = decoded(path)
    assert (pixels == np.concatenate([once] * 3)).all()
    assert times == pytest.approx([k / 24 for k in range(21)], abs=1e-3)
    assert stream.average_rate == 24


def test_a_folder_repeats_its_frames(tmp_path):
    io.write_video(tmp_path / "frames", loop(2), fps=24, repeat=3)
    names = [f"frame_{k:05d}.png" for k in range(6)]
    assert sorted(file.name for file in (tmp_path / "frames").iterdir()) == names
    pixels = [np.asarray(Image.open(tmp_path / "frames" / name)) for name in names]
    assert all((pixels[k] == pixels[k % 2]).all() for k in range(6))
    assert (pixels[0] != pixels[1]).any()


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".avif", ".apng"])
def test_formats_that_loop_by_themselves_refuse_to_repeat(tmp_path, suffix):
    with pytest.raises(InputError, match="loops by itself"):
        io.write_video(tmp_path / f"a{suffix}", loop(2), fps=24, repeat=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.webm", "a.mov", "a.apng", "a.webp", "frames"])
def test_alpha_and_unmultiplied_colours_are_preserved(tmp_path, name):
    frames = list(with_alpha(loop(3)))
    io.write_video(tmp_path / name, frames, fps=24)
    if name == "frames":
        files = sorted((tmp_path / name).iterdir())
        pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    elif name == "a.webp":  # which FFmpeg does not decode
        with Image.open(tmp_path / name) as picture:
            pixels = np.stack([np.asarray(f.convert("RGBA")) for f in _copies(picture)])
    else:
        pixels = decoded(tmp_path / name, "libvpx-vp9" if name == "a.webm" else None)[0]
    wanted = np.stack([io.to_uint8(image).numpy() for image in frames]).astype(int)
    error = np.abs(pixels - wanted)
    assert error[..., 3].max() <= 4
    # A codec may forget the colours of what cannot be seen.
    assert error[:, :, 32:, :3].mean() < 4


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".avif"])
def test_a_format_without_alpha_says_which_have_it(tmp_path, suffix):
    with pytest.raises(InputError, match=r"holds no alpha, wanted \.webm, \.mov"):
        io.write_video(tmp_path / f"a{suffix}", with_alpha(loop(2)), fps=24)
    assert list(tmp_path.iterdir()) == []


def noise(num_frames=20, side=160):
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, side, side, generator=generator) * 2 - 1
    for frame in range(num_frames):
        yield torch.roll(picture, 8 * frame, 3)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4", ".webm"])
def test_a_file_stays_under_its_size_and_keeps_its_length(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    io.write_video(path, noise(), fps=30)
    full = path.stat().st_size
    io.write_video(path, noise(), fps=30, max_bytes=full // 3)
    assert full // 12 < path.stat().st_size <= full // 3
    if suffix in (".gif", ".webp"):
        with Image.open(path) as picture:
            total = sum(frame.info["duration"] for frame in _copies(picture))
        assert total == pytest.approx(20_000 / 30, abs=6)
    else:
        assert len(decoded(path)[0]) == 20
    assert list(tmp_path.iterdir()) == [path]


def test_a_gif_drops_every_second_frame_before_it_gets_small(tmp_path):
    io.write_video(tmp_path / "a.gif", noise(), fps=30)
    full = (tmp_path / "a.gif").stat().st_size
    io.write_video(tmp_path / "b.gif", noise(), fps=30, max_bytes=int(full * 0.55))
    with Image.open(tmp_path / "b.gif") as picture:
        assert picture.n_frames == 10
        assert picture.width > 140


def test_a_file_size_too_small_for_any_frame_is_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"at most 0\.0005 MB.*use fewer frames"):
        io.write_video(tmp_path / "a.mp4", noise(), fps=30, max_bytes=500)
    with pytest.raises(InputError, match="a folder of frames has no size"):
        io.write_video(tmp_path / "frames", noise(), fps=30, max_bytes=500)
    assert list(tmp_path.iterdir()) == []
