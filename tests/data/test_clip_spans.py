import numpy as np
import pytest
import torch

from stylecinegan import io
from stylecinegan.data.clip_spans import ClipSpans, read_clips
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.data.motion_sources import find_sources
from stylecinegan.errors import InputError
from tests.motion.moving_scene import scene

NUM_FRAMES = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A video whose upper half moves, time-lapses of which one is held out, and photos."""
    folder = tmp_path_factory.mktemp("spans")
    frames = list(scene(NUM_FRAMES, drift=(1.5, 0.0)))
    io.write_video(folder / "videos/lake.mp4", iter(frames), fps=30)
    bytes_ = np.stack([io.to_uint8(frame).numpy() for frame in frames])
    np.savez(folder / "sky.npz", clips=np.stack([bytes_, 255 - bytes_]))
    for seed in range(3):
        io.write_image(folder / f"photos/{seed}.png", draw_landscape(64, 64, seed).image)
    (folder / "held_out.txt").write_text("sky_00001\n")
    return folder


@pytest.fixture(scope="module")
def spans(folder):
    return make_spans(folder, ["sky.npz", "videos"], span_range=(4, 8), photo_share=0.3)


def make_spans(folder, clips, **settings):
    return ClipSpans(
        folder / "photos",
        [folder / clip for clip in clips],
        crop=64,
        motion_held_out=folder / "held_out.txt",
        **settings,
    )


def test_held_out_clips_are_never_read(spans):
    assert sorted(path.rsplit("/", 1)[-1] for path in spans.videos) == ["lake.mp4", "sky_00000"]


def test_a_sample_has_three_frames_and_the_displacements_between_them(spans):
    # Most samples are of clips; one that moves to the right was not mirrored.
    samples = [spans[counter] for counter in range(12)]
    sample = next(s for s in samples if s["from_start"][0].mean() > 0.1)
    assert {name: tuple(tensor.shape) for name, tensor in sample.items()} == {
        "first": (3, 64, 64),
        "image": (3, 64, 64),
        "last": (3, 64, 64),
        "from_start": (2, 64, 64),
        "from_end": (2, 64, 64),
        "progress": (),
    }
    # F(0→t) is t steps to the right, F(N→t) is N - t steps to the left.
    fast = sample["from_start"][0] > 0.8 * sample["from_start"][0].max()
    there, back = sample["from_start"][0][fast].mean(), sample["from_end"][0][fast].mean()
    assert float(there / (there - back)) == pytest.approx(float(sample["progress"]), abs=0.02)


def test_the_displacements_register_both_ends_to_the_frame_between_them(spans):
    samples = [spans[counter] for counter in range(12)]
    sample = next(s for s in samples if s["from_start"][0].abs().mean() > 0.1)
    y, x = np.mgrid[16:24, 28:36]  # moves, and stays inside the crop
    for end, displacement in (("first", "from_start"), ("last", "from_end")):
        shift = sample[displacement][:, 16:24, 28:36].mean(dim=(1, 2)).round().long().tolist()
        moved = sample["image"][:, y + shift[1], x + shift[0]]
        same, other = sample[end][:, y, x], sample[end][:, y + shift[1], x + shift[0]]
        assert (moved - same).abs().mean() < 0.5 * (moved - other).abs().mean()


def test_photos_are_static_samples(spans):
    samples = [spans[counter] for counter in range(12)]
    still = [s for s in samples if s["from_start"].abs().max() == 0.0]
    assert 1 <= len(still) < 12
    for sample in still:
        assert torch.equal(sample["first"], sample["image"])
        assert torch.equal(sample["first"], sample["last"])


def test_a_sample_depends_on_its_number_alone(spans):
    for counter in range(4):
        once, again = spans[counter], spans[counter]
        assert all(torch.equal(once[name], again[name]) for name in once)


def test_repeated_frames_are_left_out(tmp_path):
    frames = [io.to_uint8(frame).numpy() for frame in scene(8, drift=(1.5, 0.0))]
    np.savez(
        tmp_path / "slow.npz", clips=np.stack([frame for frame in frames for _ in (0, 1)])[None]
    )
    ((clip,),) = [list(read_clips(source)) for source in find_sources(tmp_path / "slow.npz")]
    assert len(clip.frames) == 8


def test_clips_of_the_eulerian_data_are_read_where_their_videos_are(tmp_path):
    for name in ("00001_00000", "00002_00000"):
        io.write_image(tmp_path / f"{name}_input.jpg", next(iter(scene(1))))
        torch.save(torch.zeros(1, 2, 96, 128), tmp_path / f"{name}_motion.pth")
    io.write_video(tmp_path / "00002_00000_gt.mp4", scene(6, drift=(1.5, 0.0)), fps=30)
    found = [list(read_clips(source)) for source in find_sources(tmp_path)]
    assert [[len(clip.frames) for clip in clips] for clips in found] == [[], [6]]
    assert float(found[1][0].motion[0, 0, 20:40].median()) == pytest.approx(1.5, abs=0.2)


def test_a_long_video_gives_as_many_parts_as_are_wanted(folder):
    settings = {"num_frames": 6, "span_range": (2, 4)}
    for wanted in (1, 2):
        spans = make_spans(folder, ["videos"], num_parts=wanted, **settings)
        assert [len(clips) for clips in spans.videos.values()] == [wanted]


@pytest.mark.parametrize("settings", [{}, {"span_range": (12, 20)}])
def test_no_clip_to_use_is_one_line(folder, settings):
    clips = ["sky.npz"] if settings else []
    with pytest.raises(InputError, match="wanted clips of at least 64 pixels a side"):
        make_spans(folder, clips, **settings)
