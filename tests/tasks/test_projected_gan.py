import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.generator import Generator
from stylecinegan.tasks.projected_gan import ProjectedGANTask
from tests.tasks.toy_networks import WIDTHS, make_encoder, make_generator


def write_initial(folder):
    """Writes a narrower generator whose top is to stay, and its encoder."""
    torch.manual_seed(0)
    generator = Generator(128, 16, 2, channels={**WIDTHS, 4: 8, 8: 8}, first_rgb_layer=10)
    checkpoints.save(folder / "generator.safetensors", generator)
    checkpoints.save(folder / "encoder.safetensors", make_encoder())


def make_task(folder, squeezenet, **settings):
    torch.manual_seed(1)
    return ProjectedGANTask(
        make_generator(),
        make_encoder(),
        initial=folder,
        trunk="none",
        feature_weights=squeezenet,
        width=16,
        **settings,
    )


@pytest.fixture(scope="module")
def initial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("initial")
    write_initial(folder)
    return folder


@pytest.fixture
def make(initial, squeezenet, toy_gans):
    return lambda folder=initial, **settings: make_task(folder, squeezenet, **settings)


def test_only_the_layers_up_to_d10_change(make, initial, photos):
    task = make()
    start = {name: tensor.clone() for name, tensor in task.generator.state_dict().items()}
    old = checkpoints.load(initial / "generator.safetensors", Generator).state_dict()
    for progress in (0.0, 0.9):
        task.progress = progress
        terms = task.step(photos)
        assert all(torch.isfinite(term) for term in terms.values())
    changed = {n for n, t in task.generator.state_dict().items() if not t.equal(start[n])}
    assert {name.split(".")[0] for name in changed} >= {"mapping", "constant", "convs"}
    for name in old:
        if name.startswith(("convs.11.", "convs.12.", "to_rgbs.")):
            assert name not in changed
            assert torch.equal(task.generator.state_dict()[name], old[name])


def test_the_full_resolution_has_a_discriminator_in_the_second_part_only(make, photos):
    task = make(coarse_share=0.5)
    task.progress = 0.4
    assert "discriminator_lite_full" not in task.step(photos)
    task.progress = 0.6
    assert "discriminator_lite_full" in task.step(photos)


def test_training_continues_from_an_exported_run(make, initial, photos, tmp_path):
    task = make(ema_half_life=1.0)
    for _ in range(2):
        task.step(photos)
    task.export(tmp_path)
    (tmp_path / "encoder.safetensors").write_bytes((initial / "encoder.safetensors").read_bytes())
    again = make(tmp_path)
    assert not again.is_new
    assert again.feature_mean.equal(task.feature_mean)
    for ours, theirs in zip(
        again.discriminators.parameters(), task.discriminators.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    again.step(photos)
