import logging
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from stylecinegan import io
from stylecinegan.errors import InputError
from tests.io.pictures import COLOURS, flat_patches


def moving_stripe(num_frames, height=64, width=96):
    for frame in range(num_frames):
        image = torch.full((1, 3, height, width), -0.5)
        image[..., frame * 4 % width :][..., :4] = 0.8
        yield image


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "h264"), (".webm", "vp9"), (".MP4", "h264")]
)
def test_a_video_has_a_common_codec_and_the_rate_and_length_asked_for(tmp_path, suffix, codec):
    path = tmp_path / f"clip é{suffix}"
    io.write_video(path, moving_stripe(31), fps=30)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.codec_context.name.startswith(codec) or codec in stream.codec.name
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 30
        assert [float(frame.time) for frame in frames] == pytest.approx(
            [k / 30 for k in range(31)], abs=2e-3
        )
        assert container.duration / av.time_base == pytest.approx(31 / 30, abs=2e-3)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_the_index_is_at_the_front_of_the_file(tmp_path, suffix):
    io.write_video(tmp_path / f"a{suffix}", moving_stripe(5), fps=25)
    data = (tmp_path / f"a{suffix}").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_colours_are_preserved(tmp_path, suffix):
    image = flat_patches()
    io.write_video(tmp_path / f"a{suffix}", [image] * 3, fps=30)
    frames = list(io.read_video(tmp_path / f"a{suffix}"))
    assert len(frames) == 3
    for decoded in frames:
        # The middles of the patches: colour is stored at half the resolution.
        middles = [io.to_uint8(decoded)[16, 16 + 32 * k].tolist() for k in range(len(COLOURS))]
        assert np.abs(np.array(middles) - COLOURS).max() <= 3


def test_a_bt_709_conversion_of_the_decoded_planes_gives_the_same_colours(tmp_path):
    io.write_video(tmp_path / "a.mp4", [flat_patches()] * 2, fps=30)
    with av.open(str(tmp_path / "a.mp4")) as container:
        planes = next(container.decode(video=0)).to_ndarray()  # [1.5 H, W]
    y = (planes[16, 16::32].astype(float) - 16) / 219
    chroma = planes[32:].reshape(2, 16, 96)[:, 8, 8::16].astype(float)
    blue_difference, red_difference = (chroma - 128) / 224
    red, blue = y + 1.5748 * red_difference, y + 1.8556 * blue_difference  # BT.709
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    decoded = np.stack([red, green, blue], -1) * 255
    assert np.abs(decoded - COLOURS).max() <= 3


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_gradient_is_neither_blurred_nor_shifted(tmp_path, suffix):
    ramp = torch.linspace(-0.8, 0.8, 256).expand(1, 3, 128, 256)
    io.write_video(tmp_path / f"a{suffix}", [ramp] * 3, fps=30)
    decoded = torch.cat(list(io.read_video(tmp_path / f"a{suffix}")))
    error = (decoded - ramp).abs().mul(127.5)
    assert error.mean() < 1.0
    assert error.max() <= 5


def test_fine_stripes_keep_their_contrast(tmp_path):
    stripes = torch.tensor([-0.6, 0.6]).repeat(64).expand(1, 3, 128, 128)
    io.write_video(tmp_path / "a.mp4", [stripes] * 3, fps=30)
    decoded = torch.cat(list(io.read_video(tmp_path / "a.mp4")))
    assert (decoded - stripes).abs().max() < 0.08


def test_an_odd_side_is_cropped_with_one_warning(tmp_path, caplog):
    image = torch.zeros(1, 3, 33, 47)
    with caplog.at_level(logging.WARNING):
        io.write_video(tmp_path / "a.mp4", [image] * 3, fps=30)
    assert next(io.read_video(tmp_path / "a.mp4")).shape == (1, 3, 32, 46)
    assert [record.getMessage() for record in caplog.records] == [
        ".mp4 needs even sides: the video is 46x32, cropped from 47x33 at the right and bottom"
    ]


@pytest.mark.parametrize("target", ["frames", "frames/", "new/frames.v2/"])
def test_a_folder_of_frames_is_exact_and_is_replaced(tmp_path, target):
    random = np.random.default_rng(0).integers(0, 256, (5, 9, 7, 3), np.uint8)
    frames = [io.from_uint8(pixels) for pixels in random]
    io.write_video(f"{tmp_path}/{target}", frames, fps=30)
    io.write_video(f"{tmp_path}/{target}", frames[:3], fps=30)
    names = sorted(entry.name for entry in (tmp_path / target).iterdir())
    assert names == ["frame_00000.png", "frame_00001.png", "frame_00002.png"]
    read = list(io.read_video(tmp_path / target))
    assert torch.equal(torch.cat(read), torch.cat(frames[:3]))
    assert len(list((tmp_path / target).parent.iterdir())) == 1


def test_fractions_of_a_frame_per_second_are_kept(tmp_path):
    io.write_video(tmp_path / "a.mp4", moving_stripe(4), fps=29.97)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == Fraction(2997, 100)


def test_reading_stops_at_max_frames_and_refuses_other_data(tmp_path):
    io.write_video(tmp_path / "a.mp4", moving_stripe(6), fps=30)
    assert len(list(io.read_video(tmp_path / "a.mp4", max_frames=4))) == 4
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match="wanted a video, found other data"):
        io.read_video(tmp_path / "text.mp4")
    with pytest.raises(InputError, match="found no such file"):
        io.read_video(tmp_path / "missing.mp4")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="found neither"):
        io.read_video(tmp_path / "folder")


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ".webp"])
def test_frames_of_two_pixels_are_preserved(tmp_path, suffix):
    image = torch.full((1, 3, 2, 2), 0.5)
    io.write_video(tmp_path / f"a{suffix}", [image] * 2, fps=30)
    decoded = next(io.read_video(tmp_path / f"a{suffix}"))
    torch.testing.assert_close(decoded, image, atol=0.06, rtol=0)
