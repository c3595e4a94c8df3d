import numpy as np
import pytest
import torch
from PIL import Image

from stylecinegan import io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.data.motion_batches import MotionBatches, soften
from stylecinegan.data.motion_pairs import write_pair
from stylecinegan.data.real_motion import RealMotion, mirror, typical_speed, video_of
from stylecinegan.errors import InputError
from stylecinegan.motion.estimation.optical_flow import ClipMotion


def write_clip(folder, name, velocity, side=48):
    """The upper half of a clip moves; brightness grows to the right."""
    motion = torch.zeros(1, 2, side, side)
    motion[0, :, : side // 2] = torch.tensor(velocity).view(2, 1, 1)
    image = torch.linspace(-1.0, 1.0, side).expand(1, 3, side, side).contiguous()
    write_pair(folder, name, ClipMotion(image, motion, torch.ones(1, 1, side, side)), "drawn")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motion")
    write_clip(folder / "real", "lake_mp4_00000", (0.5, 0.0))
    write_clip(folder / "real", "lake_mp4_00060", (0.25, 0.0))
    write_clip(folder / "real", "clips_00003", (-3.0, 4.0))
    write_clip(folder / "real", "still_mp4_00000", (0.001, 0.0))
    (folder / "held_out.txt").write_text("clips_00003\n")
    (folder / "labels").mkdir()
    for seed in range(3):
        drawn = draw_landscape(96, 96, seed)
        io.write_image(folder / f"photos/{seed}.png", drawn.image)
        label = drawn.label[0, 0].numpy().astype(np.uint8)
        Image.fromarray(label).save(folder / f"labels/{seed}.png")
    return folder


def test_windows_of_a_video_belong_together_and_time_lapses_do_not():
    assert video_of("clips/lake_mp4_00060") == "lake_mp4"
    assert video_of("sky/clips_00003") == "clips_00003"


def test_clips_are_split_by_video_and_static_ones_left_out(folder):
    train = RealMotion([folder / "real"], held_out=folder / "held_out.txt")
    assert {video: len(windows) for video, windows in train.videos.items()} == {"lake_mp4": 2}
    test = RealMotion([folder / "real"], held_out=folder / "held_out.txt", split="test")
    assert list(test.videos) == ["clips_00003"]
    (folder / "nothing.txt").write_text("no_such_video\n")
    with pytest.raises(InputError, match=r"wanted test clips in .*, found none"):
        RealMotion([folder / "real"], held_out=folder / "nothing.txt", split="test")


def test_a_clip_that_moves_to_the_left_is_mirrored_with_its_motion(folder):
    clip = RealMotion([folder / "real"]).read("clips_00003", 0)
    # Typical speed 1, to the right; it still leads down.
    torch.testing.assert_close(clip["motion"][:, 5, 5], torch.tensor([0.6, 0.8]), atol=2e-3, rtol=0)
    assert clip["image"][0, 0, 0] == 1.0  # bright on the left now
    assert clip["classes"].abs().max() == 0
    lake = RealMotion([folder / "real"]).read("lake_mp4", 0)
    assert lake["image"][0, 0, 0] == -1.0


def test_typical_speed_is_that_of_what_moves():
    motion = torch.zeros(2, 10, 10)
    motion[0, 0, 0] = 3.0
    assert typical_speed(motion, torch.ones(1, 10, 10)) == pytest.approx(3.0)
    assert typical_speed(torch.zeros(2, 4, 4), torch.ones(1, 4, 4)) > 0


def test_mirroring_flips_maps_and_the_sign_of_horizontal_motion():
    sample = {
        "image": torch.arange(3.0).expand(3, 1, 3),
        "motion": torch.tensor([[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]),
        "progress": torch.tensor(0.5),
    }
    mirrored = mirror(sample)
    assert mirrored["image"][0].tolist() == [[2.0, 1.0, 0.0]]
    assert mirrored["motion"].tolist() == [[[-3.0, -2.0, -1.0]], [[6.0, 5.0, 4.0]]]
    assert mirrored["progress"] == 0.5


def test_softened_classes_are_probabilities_that_keep_their_areas():
    label = torch.zeros(32, 32, dtype=torch.int64)
    label[:16], label[24:] = 1, 2
    soft = soften(label, np.random.default_rng(0))
    assert soft.shape == (2, 32, 32)
    assert soft.min() >= 0
    assert soft.sum(dim=0).max() <= 1 + 1e-6
    assert soft[0, 2, 2] > 0.8
    assert soft[1, 30, 2] > 0.8
    assert soft[:, 20, 2].max() < 0.2


def test_a_sample_depends_on_its_number_alone(folder):
    def dataset():
        return MotionBatches(
            folder / "photos", folder / "labels", motion_dirs=[folder / "real"], crop=32
        )

    first, second = dataset(), dataset()
    for counter in (0, 1, 5, 100):
        one, two = first[counter], second[counter]
        assert set(one) == {"image", "motion", "confidence", "classes", "is_real"}
        assert one["image"].shape == (3, 32, 32)
        assert one["motion"].shape == one["classes"].shape == (2, 32, 32)
        assert one["confidence"].shape == (1, 32, 32)
        assert all(torch.equal(one[name], two[name]) for name in one)
        second[counter + 1]  # the order does not matter


def test_shares_of_real_and_of_blind_samples_are_kept(folder):
    asked = []

    def segmenter(photo):
        asked.append(photo.shape)
        return torch.full((1, 3, 8, 8), 1 / 3)

    dataset = MotionBatches(
        folder / "photos",
        folder / "labels",
        motion_dirs=[folder / "real"],
        crop=32,
        segmenter=segmenter,
        real_share=0.5,
        blind_share=0.25,
    )
    samples = [dataset[counter] for counter in range(200)]
    real = [sample for sample in samples if sample["is_real"] == 1]
    assert 70 < len(real) < 130
    assert len(asked) == 3  # each clip once; the one at rest never
    blind = sum(bool((sample["classes"] == 0).all()) for sample in real)
    assert 0.1 < blind / len(real) < 0.4
    # A resized crop keeps its relative speed, here 1 to the right or (0.6, 0.8).
    speeds = [sample["motion"].norm(dim=0).max() for sample in real]
    assert all(0.97 < speed < 1.03 for speed in speeds)


def test_without_clips_all_motion_is_synthetic(folder):
    dataset = MotionBatches(folder / "photos", folder / "labels", crop=32)
    samples = [dataset[counter] for counter in range(6)]
    assert all(sample["is_real"] == 0 for sample in samples)
    assert all(sample["motion"][0].sum() > 0 for sample in samples)
