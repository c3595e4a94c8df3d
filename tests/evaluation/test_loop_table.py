import math

import pytest
import torch

from stylecinegan import io
from stylecinegan.errors import InputError
from stylecinegan.evaluation.loop_table import measure_loops


class SkyAbove:
    """Stand-in for a model whose mask is the upper half."""

    def segment(self, photo):
        mask = torch.zeros(1, 1, *photo.shape[2:])
        mask[:, :, : photo.shape[2] // 2] = 1.0
        return type("Prediction", (), {"mask": mask})


def drifting(num_frames):
    """The upper half drifts by 8 pixels a frame and closes."""
    width = 8 * num_frames
    sky = 0.5 * torch.sin(2 * torch.pi * torch.arange(width) / width)
    for frame in range(num_frames):
        image = torch.zeros(1, 3, 64, width)
        image[:, :, :32] = torch.roll(sky, 8 * frame)
        yield image


@pytest.fixture
def folder(tmp_path):
    videos = tmp_path / "videos"
    io.write_video(videos / "closing", drifting(8), fps=10)
    return videos


def measure(folder, output):
    table = measure_loops(SkyAbove(), output, videos=folder, size=None)
    return table.rows, {entry["loop"]: entry for entry in table.details}


def test_a_loop_with_equal_steps_has_ratios_of_one(folder, tmp_path):
    rows, details = measure(folder, tmp_path / "out")
    figures = details["closing"]
    assert figures["closing step"] == pytest.approx(1.0, abs=0.05)
    assert figures["step ratio"] == pytest.approx(1.0, abs=0.05)
    assert figures["detail kept"] == pytest.approx(1.0, abs=0.05)
    assert figures["static error"] == 0.0
    assert figures["motion"] > 5
    assert rows[0]["loops"] == 1.0
    # Four frames and a row of pixels over time.
    assert io.read_image(tmp_path / "out/loops.png").shape == (1, 3, 192, 5 * 192 + 4 * 4)


def test_a_jump_at_the_seam_raises_the_closing_step(folder, tmp_path):
    frames = list(drifting(8))
    io.write_video(folder / "jump", frames[:4], fps=10)
    _, details = measure(folder, tmp_path / "out")
    # From frame 3 to frame 0 the displacement is 24 pixels instead of 8.
    ratio = math.sin(3 * math.pi / 8) / math.sin(math.pi / 8)
    assert details["jump"]["closing step"] == pytest.approx(ratio, rel=0.03)


def test_a_static_video_has_no_ratios_and_is_left_out_of_their_means(folder, tmp_path):
    static = [next(drifting(8))] * 8
    io.write_video(folder / "static", static, fps=10)
    rows, details = measure(folder, tmp_path / "out")
    assert details["static"]["motion"] == 0.0
    for column in ("closing step", "step ratio", "detail kept"):
        assert math.isnan(details["static"][column])
        assert rows[0][column] == pytest.approx(details["closing"][column])
    assert rows[0]["motion"] == pytest.approx(details["closing"]["motion"] / 2)


def test_motion_in_static_regions_is_a_static_error(folder, tmp_path):
    shaking = [image + 0.1 * (k % 2) for k, image in enumerate(drifting(8))]
    io.write_video(folder / "shaking", shaking, fps=10)
    # A mask beside the video takes precedence over the predicted one.
    mask = torch.zeros(1, 1, 64, 64)
    mask[:, :, 16:32] = 1.0
    io.write_mask(folder / "closing_mask.png", mask)
    _, details = measure(folder, tmp_path / "out")
    assert details["shaking"]["static error"] == pytest.approx(0.1 * 127.5, abs=0.8)
    assert details["closing"]["static error"] > 5


def test_neither_photos_nor_videos_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"table\.videos=FOLDER is needed"):
        measure_loops(SkyAbove(), tmp_path)
    with pytest.raises(InputError, match="wanted videos or folders of frames"):
        measure_loops(SkyAbove(), tmp_path, videos=tmp_path)
