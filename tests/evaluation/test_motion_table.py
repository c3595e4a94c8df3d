import pytest
import torch

from stylecinegan import checkpoints, io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.data.motion_pairs import write_pair
from stylecinegan.data.real_motion import RealMotion
from stylecinegan.evaluation.motion_table import measure_motion
from stylecinegan.evaluation.photos import Photos
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.prediction import MaskPrediction
from stylecinegan.motion.estimation.optical_flow import ClipMotion
from stylecinegan.motion.generator import MotionGenerator

SIDE = 64


class Segmented:
    """Stand-in for a model: pixels brighter than grey are sky."""

    def segment(self, photo):
        sky = (photo.mean(dim=1, keepdim=True) > 0).long()
        probabilities = torch.cat([1 - sky, sky, 0 * sky], dim=1).float()
        return MaskPrediction(sky.float(), PixelClasses(probabilities, sky, sky.float()))


def half_bright():
    image = torch.full((1, 3, SIDE, SIDE), -0.5)
    image[:, :, : SIDE // 2] = 0.5
    return image


def drifting(x, y):
    motion = torch.zeros(1, 2, SIDE, SIDE)
    motion[0, :, : SIDE // 2] = torch.tensor([x, y]).view(2, 1, 1)
    return motion


@pytest.fixture
def folder(tmp_path):
    """Two clips of a drifting sky, a generator that predicts (1, 0) everywhere, and a sample."""
    sure = torch.ones(1, 1, SIDE, SIDE)
    write_pair(
        tmp_path / "clips", "a_mp4_00000", ClipMotion(half_bright(), drifting(2, 0), sure), ""
    )
    write_pair(
        tmp_path / "clips", "b_mp4_00000", ClipMotion(half_bright(), drifting(3, 4), sure), ""
    )
    generator = MotionGenerator(5, 4, 1, 1, side=32)
    last = list(generator.model)[-1]
    torch.nn.init.zeros_(last.weight)
    last.bias.data.copy_(torch.tensor([1.0, 0.0]))
    checkpoints.save(tmp_path / "motion.safetensors", generator)
    drawn = draw_landscape(96, 96, 0)
    io.write_image(tmp_path / "samples/one.jpg", drawn.image)
    io.write_mask(tmp_path / "samples/one_mask.png", drawn.mask)
    # The left half slower than the right; all to the left.
    motion = torch.zeros(1, 2, 48, 48)
    motion[:, 0] = -torch.linspace(0.1, 1.0, 48)
    io.write_motion(tmp_path / "samples/one_motion.npy", motion)
    return tmp_path


def test_the_table_measures_clips_and_samples(folder):
    table = measure_motion(
        Segmented(),
        folder / "out",
        weights=folder / "motion.safetensors",
        clips=RealMotion([folder / "clips"]),
        samples=Photos(folder / "samples", pattern="*.jpg"),
    )
    rows = {row["row"]: row for row in table.rows}
    # Half of each picture moves with speed 1.
    assert rows["no motion"]["end-point error"] == pytest.approx(0.5, abs=1e-3)
    # The prediction is (1, 0) everywhere: right in the upper half of one clip, off by
    # |(1, 0) - (0.6, 0.8)| = 0.89 in that of the other, and by 1 in the static halves.
    assert rows["ours"]["end-point error"] == pytest.approx((0.5 + 0.5 * 0.894 + 0.5) / 2, abs=0.01)
    refined = rows["ours, refined by the mask"]["end-point error"]
    assert refined < rows["ours"]["end-point error"] - 0.4
    # One of the clips moves to the right, the other at 53 degrees.
    assert rows["ours"]["angle"] == pytest.approx(53.13 / 2, abs=0.1)
    assert rows["best constant per class"]["end-point error"] < 0.25
    assert rows["ours, with an arrow a region"]["angle"] < 1.0
    # Up to its sign, the authors' motion to the left is one to the right.
    assert rows["ours, authors' motion"]["angle"] == pytest.approx(0.0, abs=0.1)
    names = {entry.get("clip") or entry["photo"] for entry in table.details}
    assert names == {"a_mp4", "b_mp4", "one"}
    assert io.read_image(folder / "out/clips.png").shape == (1, 3, 224, 1364)
    assert io.read_image(folder / "out/samples.png").shape == (1, 3, 224, 680)


def test_clips_can_be_left_out(folder):
    table = measure_motion(
        Segmented(), folder / "out", weights=folder / "motion.safetensors", clips=None,
        samples=Photos(folder / "samples", pattern="*.jpg"),
    )  # fmt: skip
    assert all("authors' motion" in row["row"] for row in table.rows)
