import json

import numpy as np
import pytest
import torch
from PIL import Image

from stylecinegan.backbones.u2net import U2Net
from stylecinegan.data.composites import Composites, composite, dilate, merge_sky
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.data.marks import FALLING, SKY, WATER
from stylecinegan.errors import InputError
from stylecinegan.tasks.segmentation import SegmentationTask


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    for name in ("photos", "skies", "labels"):
        (root / name).mkdir()
    for seed in range(4):
        drawn = draw_landscape(96, 128, seed)
        pixels = ((drawn.image[0].permute(1, 2, 0) + 1.0) * 127.5).round().byte().numpy()
        label = drawn.label[0, 0].byte().numpy()
        Image.fromarray(pixels).save(root / f"photos/{seed}.png")
        Image.fromarray((label == 1).astype(np.uint8) * 255).save(root / f"skies/{seed}.png")
        Image.fromarray(label).save(root / f"labels/{seed}.png")
    return root


def make(folders, **settings):
    labels = settings.pop("labels_dir", folders / "labels")
    return Composites(folders / "photos", folders / "skies", labels, crop=64, **settings)


def test_wide_skies_of_the_label_map_override_the_teacher_and_narrow_ones_do_not():
    classes = np.zeros((100, 100), np.uint8)
    classes[:60] = SKY
    sky = np.zeros((100, 100), np.uint8)  # dusk: the teacher misses the sky
    assert (merge_sky(sky, classes)[:60] == 255).all()
    assert (merge_sky(sky, classes)[60:] == 0).all()
    sky[:60] = 230
    sky[:60, 40:55] = 20  # a tower, which the label map calls sky
    assert np.array_equal(merge_sky(sky, classes), sky)
    sky[60:80] = 200  # sky that the label map calls ground
    assert np.array_equal(merge_sky(sky, classes), sky)


def test_an_object_is_dilated_by_four_pixels():
    alpha = np.zeros((20, 20), np.float32)
    alpha[10, 10] = 1.0
    near = dilate(alpha)
    assert near[6:15, 6:15].all()
    assert near.sum() == 81


def test_a_sample_is_the_same_for_its_number_and_probabilities_sum_to_one(folders):
    first, again = make(folders)[7], make(folders)[7]
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name]), name
    torch.testing.assert_close(first["target"].sum(dim=0), torch.ones(64, 64))


def test_textures_of_objects_are_cut_from_static_regions():
    image = np.zeros((64, 64, 3), np.float32)
    image[:, :32], image[:, 32:] = (200.0, 40.0, 40.0), (40.0, 40.0, 200.0)
    static = np.zeros((64, 64), np.float32)
    static[:, :32] = 1.0
    means = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        means.append(composite(image, np.ones((64, 64), np.float32), static, random).mean((0, 1)))
    excess = np.array(means)[:, 0] - np.array(means)[:, 2]
    assert 10 <= np.sum(excess > 100.0) <= 28  # 45 % have the static region's red texture
    assert excess.min() > -60.0  # none has the moving region's blue


def test_objects_on_photos_without_static_regions_are_dark_or_bright():
    image = np.full((64, 64, 3), (40.0, 40.0, 200.0), np.float32)
    for seed in range(20):
        random = np.random.default_rng(seed)
        picture = composite(image, np.ones((64, 64), np.float32), 0.0 * image[..., 0], random)
        red, _, blue = picture.mean((0, 1))
        assert abs(red - blue) < 60.0


def test_composited_pixels_are_static_and_have_more_weight(folders):
    plain, changed = (make(folders, object_share=share) for share in (0.0, 1.0))
    found = 0
    for number in range(8):
        before, after = plain[number], changed[number]
        heavy = after["weight"][0] >= 5.0
        found += int(heavy.sum())
        difference = (after["image"].int() - before["image"].int()).abs().amax(dim=0)
        assert difference[after["weight"][0] <= 1.0].max() <= 3  # far from objects nothing changes
        moving, left = before["target"][1:].sum(dim=0), after["target"][1:].sum(dim=0)
        assert (moving - left).min() >= -1e-6
        assert (left[heavy] <= 0.7 * moving[heavy] + 1e-6).all()  # where alpha exceeds 0.3
    assert found > 100


def test_water_is_unknown_without_label_maps(folders):
    sample = make(folders, labels_dir=None, object_share=0.0)[0]
    assert not sample["knows_water"].any()
    assert make(folders, object_share=0.0)[0]["knows_water"].all()


def test_hand_marked_corrections_override_sky_and_label_map(folders, tmp_path):
    shapes = [("water", 0, 16), ("static", 16, 32), ("falling water", 32, 48), ("unknown", 48, 64)]
    document = {
        "shapes": [
            {"label": label, "shape_type": "rectangle", "points": [[left, 0], [right, 96]]}
            for label, left, right in shapes
        ],
        "imageHeight": 96,
        "imageWidth": 128,
    }
    (tmp_path / "0.json").write_text(json.dumps(document))
    _, sky, label = make(folders, marks_dir=tmp_path).sets[0].read("0.png")
    before = [np.asarray(part) for part in make(folders).sets[0].read("0.png")]
    sky, label = np.asarray(sky), np.asarray(label)
    assert (label[:, :16] == WATER).all()
    assert (label[:, 16:32] == 0).all()
    assert (label[:, 32:48] == FALLING).all()
    assert (sky[:, :64] == 0).all()
    assert np.array_equal(sky[:, 64:], before[1][:, 64:])
    assert np.array_equal(label[:, 64:], before[2][:, 64:])
    marked = {"dir": folders / "photos", "sky_dir": folders / "skies", "marks_dir": tmp_path}
    only = Composites(**marked, more=[{**marked, "only_marked": True}], crop=96).sets[1]
    assert only.names == ["0.png"]


def test_samples_of_marked_photos_know_falling_water_and_leave_out_the_unknown(folders, tmp_path):
    for number in range(4):
        shapes = [
            {"label": "falling water", "shape_type": "rectangle", "points": [[0, 0], [999, 48]]},
            {"label": "unknown", "shape_type": "rectangle", "points": [[0, 48], [999, 96]]},
        ]
        (tmp_path / f"{number}.json").write_text(json.dumps({"shapes": shapes}))
    data = make(folders, marks_dir=tmp_path, object_share=0.0, scale_range=(1.0, 1.0))
    sample = data[0]
    assert (sample["target"][3, :30] == 1.0).all()
    assert (sample["weight"][0, :30] == 2.0).all()
    assert (sample["weight"][0, 34:] == 0.0).all()
    torch.testing.assert_close(sample["target"].sum(dim=0), torch.ones(64, 64))


def test_photos_without_labels_of_the_sky_are_refused(folders, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "other.png")
    with pytest.raises(InputError, match="with soft labels in"):
        Composites(folders / "photos", tmp_path)


def test_the_segmentation_network_learns_a_batch_of_composites(folders):
    data = make(folders)
    samples = [data[number] for number in range(2)]
    batch = {name: torch.stack([s[name] for s in samples]) for name in samples[0]}
    batch["image"] = batch["image"].float() / 127.5 - 1.0
    torch.manual_seed(0)
    task = SegmentationTask(U2Net(4), learning_rate=2e-3, num_warmup=1, num_steps=40)
    losses = [float(task.step(batch)["entropy"]) for _ in range(8)]
    assert losses[-1] < 0.9 * losses[0]
