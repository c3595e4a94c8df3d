import functools

import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.tasks.encoder import EncoderTask, random_crop
from tests.tasks.batches import landscapes


def make_task(**settings):
    torch.manual_seed(0)
    generator = Generator(256, 16, 1, channel_base=2048, channel_max=16, first_rgb_layer=10)
    encoder = FeatureStyleEncoder(14, 16, 16, (8, 16, 8, 8, 8), (1, 1, 1, 1), 16, 1)
    defaults = {
        "train_top": True,
        "synthetic_share": 0.0,
        "pyramid_weight": 0.3,
        "num_warmup": 1,
        "num_steps": 1000,
    }
    return EncoderTask(generator, encoder, **{**defaults, **settings})


@pytest.fixture(scope="module")
def batch():
    return landscapes(32)


def frozen(task):
    return {k: v.clone() for k, v in task.generator.state_dict().items()}


def test_a_frozen_generator_keeps_every_weight(batch):
    task = make_task(train_top=False, synthetic_share=0.5)
    before = frozen(task)
    terms = task.step({"image": torch.nn.functional.interpolate(batch["image"], (256, 256))[:2]})
    assert {"code", "feature", "pixel", "regularization"} <= set(terms)
    for name, tensor in task.generator.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("resolution", [256, 512])
def test_an_encoder_is_made_to_fit_a_generator_of_any_size(resolution):
    generator = Generator(resolution, 8, 1, channel_base=2048, channel_max=8)
    make = functools.partial(
        FeatureStyleEncoder, widths=(4, 4, 4, 4, 4), depths=(1, 1, 1, 1), content_width=4, pool=1
    )
    task = EncoderTask(generator, make, synthetic_share=0.5, vary_size=True, num_warmup=1)
    image = torch.rand(2, 3, resolution, resolution) * 2 - 1
    terms = task.step({"image": image})
    assert all(torch.isfinite(term) for term in terms.values())
    assert task.sample({"image": image})["inversion"].shape == (4, 3, resolution, resolution)


def test_random_crops_have_sides_of_whole_units_from_half_the_picture_on():
    torch.manual_seed(0)
    image = torch.arange(96.0 * 160).view(1, 1, 96, 160).expand(1, 3, -1, -1)
    cuts = [random_crop(image, 32) for _ in range(60)]
    assert {cut.shape[2] for cut in cuts} == {64, 96}
    assert {cut.shape[3] for cut in cuts} == {96, 128, 160}
    tops = {int(cut[0, 0, 0, 0]) // 160 for cut in cuts if cut.shape[2] == 64}
    assert len(tops) > 5  # at any position


def test_training_goes_on_from_exported_weights_with_fixed_statistics(batch, tmp_path):
    first = make_task()
    for _ in range(3):
        first.step(batch)
    first.export(tmp_path)
    second = make_task(initial=tmp_path, freeze_statistics=True, squared_weight=10.0)
    statistics = {k: v.clone() for k, v in second.encoder.named_buffers()}
    start = float(second.step(batch)["rmse"])
    for name, buffer in second.encoder.named_buffers():
        assert torch.equal(buffer, statistics[name]), name
    # What was exported is what it starts from: the same error as the averaged weights'.
    inverted = first.sample(batch)["inversion"][4:]
    expected = float((inverted - batch["image"]).square().mean().sqrt()) * 127.5
    assert start == pytest.approx(expected, rel=0.05)


def test_training_the_top_leaves_the_bottom_and_the_noise_alone(batch):
    task = make_task()
    before = frozen(task)
    task.step(batch)
    changed = {k for k, v in task.generator.state_dict().items() if not torch.equal(v, before[k])}
    assert all(k.split(".")[0] in ("convs", "to_rgbs") for k in changed)
    layers = {int(k.split(".")[1]) for k in changed}
    assert layers == {10, 11, 12, 13, 14}
    assert not any(k.startswith("convs.10.") or "noise" in k for k in changed)


def test_exported_networks_load_and_invert_as_the_averaged_ones(tmp_path, batch):
    task = make_task()
    task.step(batch)
    task.export(tmp_path)
    encoder = checkpoints.load(tmp_path / "encoder.safetensors", FeatureStyleEncoder)
    generator = checkpoints.load(tmp_path / "generator.safetensors", Generator)
    with torch.no_grad():
        w_plus, feature = encoder(batch["image"])
        actual = generator.render(generator.features(w_plus, (10, feature)), w_plus)
    expected = task.sample(batch)["inversion"][4:]
    # Kernels are stored in half precision.
    torch.testing.assert_close(actual.clamp(-1, 1), expected, rtol=0.0, atol=0.02)
