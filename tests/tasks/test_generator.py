import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.losses.adversarial import energy_distance
from stylecinegan.tasks.generator import GeneratorTask, mix_styles
from stylecinegan.tasks.reconstruction import fit_mapping
from stylecinegan.training.update import Update
from tests.tasks.batches import landscapes


def make_task(*, resolution=32, encoder=None, **settings):
    torch.manual_seed(0)
    first_rgb_layer = 2 if resolution == 32 else 10
    generator = Generator(
        resolution, 16, 2, channel_base=1024, channel_max=16, first_rgb_layer=first_rgb_layer
    )
    return GeneratorTask(generator, encoder, **settings)


def make_bottom_task(features=None, **settings):
    """The route without a GPU: a frozen top, an encoder, a coarse view."""
    torch.manual_seed(1)
    encoder = FeatureStyleEncoder(12, 16, 16, (8, 8, 8, 8, 8), (1, 1, 1, 1), 8, 1)
    defaults = {"train_top": False, "view_resolution": 64, "feature_weights": features}
    return make_task(resolution=128, encoder=encoder, **{**defaults, **settings})


@pytest.fixture(scope="module")
def batch():
    return landscapes(32)


@pytest.fixture(scope="module")
def photos():
    return landscapes(256, 2)


def copy_state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(module, before):
    return {k for k, tensor in module.state_dict().items() if not torch.equal(tensor, before[k])}


def test_samples_learn_the_colour_of_the_photos():
    colour = torch.tensor([0.8, -0.2, -0.7]).view(1, 3, 1, 1)
    batch = {"image": colour.expand(4, 3, 32, 32).contiguous()}
    # Without augmentation, which would change the colour.
    task = make_task(use_augmentation=False, learning_rate=8e-3, ema_half_life=40)
    before = task.sample(batch)["samples"].mean(dim=(0, 2, 3)) - colour.flatten()
    for _ in range(80):
        task.step(batch)
    after = task.sample(batch)["samples"].mean(dim=(0, 2, 3)) - colour.flatten()
    assert float(after.abs().max()) < 0.3
    assert float(after.abs().mean()) < 0.35 * float(before.abs().mean())


def test_a_fixed_top_and_the_content_branch_stay_as_they_are(photos):
    task = make_bottom_task()
    task.step(photos)  # the first gives the top its codes
    generator, encoder = task.networks["generator"], task.networks["encoder"]
    before = copy_state(generator), copy_state(encoder)
    for _ in range(2):
        task.step(photos)
    names = changed(generator, before[0])
    assert {"constant", "mapping.layers.0.weight", "convs.10.conv.weight"} <= names
    is_top = [k.startswith(("convs.11", "convs.12", "to_rgbs")) for k in names]
    assert not any(is_top)
    names = changed(encoder, before[1])
    assert "styles.0.weight" in names
    assert all(name.startswith("styles.") for name in names)
    assert not any("running" in k or "num_batches" in k for k in names)


def test_a_fixed_top_does_not_depend_on_its_codes(photos):
    task = make_bottom_task()
    task.step(photos)
    feature = torch.randn(1, 16, 64, 64)
    pictures = []
    for w_plus in torch.randn(2, 1, 12, 16):
        features = task.generator.features(w_plus, (10, feature))
        pictures.append(task.generator.render(features, w_plus))
    assert torch.equal(*pictures)


def test_two_parts_of_a_batch_make_the_step_of_the_whole(batch):
    gradients = []
    for num_accumulate in (1, 2):
        # Plain steps, whose length shows the gradient; Adam's first has the length 1 anyway.
        task = make_task(num_accumulate=num_accumulate, r1_every=1)
        task.discriminator.group_size = 1  # pyright: ignore
        task.generator_update, task.discriminator_update = (
            Update(
                update.parameters,
                torch.optim.SGD(update.parameters, lr=1.0),
                num_accumulate=num_accumulate,
            )
            for update in (task.generator_update, task.discriminator_update)
        )
        before = copy_state(task.networks), copy_state(task.discriminator)
        torch.manual_seed(3)
        task.step(batch)
        # The noise is drawn for each part anew, but as yet has no strength.
        gradients.append(
            [
                tensor - start[name]
                for module, start in zip((task.networks, task.discriminator), before, strict=True)
                for name, tensor in module.state_dict().items()
                if "noise_strength" not in name
            ]
        )
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_r1_is_computed_at_its_interval_and_only_with_stylegan2(batch, squeezenet):
    task = make_task(r1_every=3)
    assert ["r1" in task.step(batch) for _ in range(6)] == [False, False, True] * 2
    task = make_task(discriminator="projected", feature_weights=squeezenet, r1_every=1)
    assert "r1" not in task.step(batch)


def test_path_length_regularisation_moves_its_mean_towards_the_lengths(batch):
    task = make_task(path_weight=2.0, path_every=2)
    assert ["path" in task.step(batch) for _ in range(3)] == [True, False, True]
    assert float(task.path_mean) > 0


def test_mixed_styles_change_at_the_crossing():
    w, other = torch.randn(2, 2, 16)
    w_plus = mix_styles(w, other, torch.tensor([3, 8]), 8)
    assert torch.equal(w_plus[0, :3], w[0].expand(3, -1))
    assert torch.equal(w_plus[0, 3:], other[0].expand(5, -1))
    assert torch.equal(w_plus[1], w[1].expand(8, -1))


def test_exported_networks_load_and_sample_as_the_averaged_ones(tmp_path, photos):
    task = make_bottom_task()
    task.step(photos)
    task.export(tmp_path)
    checkpoints.load(tmp_path / "encoder.safetensors", FeatureStyleEncoder)
    generator = checkpoints.load(tmp_path / "generator.safetensors", Generator)
    assert float(generator.w_mean.abs().max()) > 0
    with torch.no_grad():
        actual = generator(generator.sample_w_plus(3, truncation=0.7)).clamp(-1, 1)
    pictures = task.sample(photos)
    # Kernels are stored in half precision.
    torch.testing.assert_close(actual, pictures["samples"][3:4], rtol=0.0, atol=0.02)
    assert pictures["reconstruction"].shape == (4, 3, 128, 128)
    again = make_task(resolution=128, initial=tmp_path)
    assert torch.equal(again.generator.constant, generator.constant)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="projected needs feature_weights, got none"):
        make_task(discriminator="projected")
    with pytest.raises(InputError, match=r"must be one of \[64, 128\], got 32"):
        make_task(resolution=128, view_resolution=32)
    with pytest.raises(InputError, match="must be stylegan2 or projected, got other"):
        make_task(discriminator="other")  # pyright: ignore


def test_the_mapping_network_is_fitted_to_the_distribution_of_the_codes():
    torch.manual_seed(0)
    generator = Generator(32, 16, 2, channel_base=256, channel_max=8)
    codes = 3.0 + torch.randn(256, 2) @ torch.randn(2, 16)  # a plane of codes
    start = generator.mapping(torch.randn(1000, 16)).detach()
    fit_mapping(generator.mapping, codes, num_steps=400)
    w = generator.mapping(torch.randn(1000, 16)).detach()
    assert energy_distance(codes, w) < 0.1 * energy_distance(codes, start)
    assert all(parameter.grad is None for parameter in generator.parameters())
