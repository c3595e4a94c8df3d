import pytest
import torch
import torch.nn.functional as F

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.tasks import texture_gan
from stylecinegan.tasks.layout_gan import layout_loss
from stylecinegan.tasks.texture_gan import TextureGANTask
from tests.tasks.toy_networks import WIDTHS, make_encoder, make_generator, write_networks


def make_task(folder, squeezenet, generator=None, **settings):
    torch.manual_seed(1)
    return TextureGANTask(
        generator or make_generator(),
        make_encoder(),
        initial=folder,
        trunk="none",
        feature_weights=squeezenet,
        width=16,
        **{"layout": folder / "layout.safetensors", **settings},
    )


@pytest.fixture
def make(tmp_path, squeezenet, toy_gans):
    write_networks(tmp_path, squeezenet)
    return lambda **settings: make_task(tmp_path, squeezenet, **settings)


def test_the_other_layers_are_those_of_the_files(make, tmp_path):
    weights = make().network.generator.state_dict()
    for file, names in (
        ("generator", ("convs.11.conv.weight", "convs.12.bias", "to_rgbs.10.conv.weight")),
        ("layout", ("constant", "mapping.layers.0.weight", "convs.8.conv.weight")),
    ):
        found = checkpoints.load(tmp_path / f"{file}.safetensors", Generator).state_dict()
        assert all(weights[name].equal(found[name]) for name in names)


def test_layers_9_and_10_and_the_projection_are_trained_and_no_others(make, photos):
    task = make()
    task.step(photos)  # the first step also matches the projection
    start = {name: weight.clone() for name, weight in task.network.named_parameters()}
    task.step(photos)
    changed = {n for n, weight in task.network.named_parameters() if not weight.equal(start[n])}
    trained = tuple(f"generator.{n}." for n in ("convs.9", "convs.10", "feature_projection"))
    assert changed == {name for name in start if name.startswith(trained)}


@pytest.mark.parametrize("place", [(0, 0), (0, 24), (24, 11), (2, 22), (9, 12)])
def test_a_crop_is_that_part_of_the_whole_picture(place, tmp_path, squeezenet, toy_gans):
    write_networks(tmp_path, squeezenet, 256)
    task = make_task(tmp_path, squeezenet, make_generator(256))
    generator = task.network.generator
    for conv in generator.convs.values():
        torch.nn.init.zeros_(conv.noise_strength)
    w = generator.mapping(torch.randn(2, 16))
    with torch.no_grad():
        crop, layout = task.render_crop(w, place)
        whole = generator(generator.repeat_w(w))
        small = task.network(w)
    row, column = place
    expected = whole[:, :, 8 * row : 8 * row + 64, 8 * column : 8 * column + 64]
    torch.testing.assert_close(crop, expected, rtol=0.0, atol=2e-5 * float(whole.abs().max()))
    torch.testing.assert_close(layout, small[:, :, row : row + 8, column : column + 8])


def test_the_layout_loss_is_zero_for_a_picture_with_that_layout():
    torch.manual_seed(0)
    layout = 2.0 * torch.rand(2, 3, 8, 8) - 1.0
    detail = torch.tensor([[0.2, -0.2], [-0.2, 0.2]]).repeat(32, 32)
    crop = F.interpolate(layout, (64, 64)) + detail
    assert float(layout_loss(crop, layout)) == pytest.approx(0.0, abs=1e-6)
    assert float(layout_loss(crop + 0.3, layout)) == pytest.approx(0.3, abs=1e-5)
    # The overshoot of a layout need not be rendered.
    assert float(layout_loss(torch.full((1, 3, 64, 64), 1.1), layout[:1] * 0 + 5)) < 1e-6


def test_the_layout_loss_is_weighted_and_has_a_gradient(make):
    task = make(layout_weight=3.0)
    total, terms = task.generator_loss({"z": torch.randn(2, 16), "numbers": torch.rand(2, 7)})
    adversarial = 0.5 * (terms["generator_lite"] + terms["generator_squeeze"])
    torch.testing.assert_close(total, adversarial + 3.0 * terms["layout"])
    weight = task.network.generator.convs["9"].conv.weight
    (gradient,) = torch.autograd.grad(terms["layout"], weight)
    assert float(gradient.abs().max()) > 0.0


def test_photos_are_cut_at_the_place_of_the_samples(make, photos, monkeypatch):
    task = make()
    monkeypatch.setattr(texture_gan, "augment", lambda image, numbers: image)
    seen = []
    monkeypatch.setattr(task, "view_maps", lambda view: seen.append(view) or {})
    monkeypatch.setattr(task, "_place", (3, 5))
    task.real_maps(photos["image"], torch.zeros(4, 7))
    assert seen[0].equal(photos["image"][:, :, 12:76, 20:84])


def test_the_projection_is_initialised_to_the_statistics_of_the_encoders_feature(make, photos):
    task = make(learning_rate=0.0)
    task.step(photos)
    feature = task.encoder(photos["image"])[1]
    generator = task.network.generator
    codes = torch.cat([generator.sample_w_plus(seed) for seed in range(16)])
    own = generator.features(codes, last=10)[10].detach()
    difference = own.mean(dim=(0, 2, 3)) - feature.mean(dim=(0, 2, 3))
    assert float(difference.norm()) < 0.5 * float(feature.std(dim=(0, 2, 3)).norm())
    projection = task.averaged.module.generator.feature_projection
    assert projection.bias.equal(generator.feature_projection.bias)


def test_the_export_is_a_whole_generator_with_its_own_mean_code(make, photos, tmp_path):
    task = make()
    task.step(photos)
    task.export(tmp_path / "export")
    generator = checkpoints.load_generator(tmp_path / "export/generator.safetensors")
    pictures = generator(generator.sample_w_plus(3)).clamp(-1.0, 1.0)
    torch.testing.assert_close(pictures, task.sample({})["samples"][3:4], rtol=0.0, atol=0.02)
    mean = generator.w_mean.clone()
    torch.testing.assert_close(generator.estimate_w_mean(), mean, rtol=0.01, atol=1e-3)


def test_the_layout_is_rendered_as_its_own_task_does(tmp_path, squeezenet, toy_gans):
    expected = write_networks(tmp_path, squeezenet).sample({})["samples"]
    task = make_task(tmp_path, squeezenet)
    generator = task.network.generator
    codes = [generator.sample_w_plus(seed)[:, 0] for seed in range(4)]
    own = F.interpolate(task.network(torch.cat(codes)), (64, 64), mode="bilinear")
    torch.testing.assert_close(own.clamp(-1.0, 1.0), expected, rtol=0.0, atol=0.01)


def test_a_layout_without_its_colours_is_refused_by_name(make, tmp_path):
    (tmp_path / "layout_rgb.safetensors").unlink()
    with pytest.raises(InputError, match="layout_rgb"):
        make()


def test_a_generator_without_a_projection_is_refused(make):
    with pytest.raises(InputError, match="got False, 10 and 128"):
        make(generator=Generator(128, 16, 2, channels=WIDTHS, first_rgb_layer=10))
