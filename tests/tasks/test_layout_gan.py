import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.tasks.layout_gan import LayoutGANTask
from tests.tasks import test_projected_gan
from tests.tasks.batches import landscapes
from tests.tasks.toy_networks import make_generator


def make_task(squeezenet, **settings):
    torch.manual_seed(1)
    settings = {"trunk": "none", "feature_weights": squeezenet, "width": 16, **settings}
    return LayoutGANTask(make_generator(), **settings)


@pytest.fixture
def make(squeezenet, toy_gans):
    return lambda **settings: make_task(squeezenet, **settings)


@pytest.fixture(scope="module")
def photos():
    return landscapes(32, 6)


def test_the_layers_up_to_32_pixels_are_trained_and_no_others(make, photos):
    task = make()
    weights = dict(task.network.generator.named_parameters())
    start = {name: weight.detach().clone() for name, weight in weights.items()}
    task.step(photos)
    lower = ("mapping.", "constant", *(f"convs.{layer}." for layer in range(2, 9)))
    changed = {name for name, weight in weights.items() if not weight.equal(start[name])}
    assert changed == {name for name in weights if name.startswith(lower)}


def test_samples_learn_the_colour_that_all_photos_have(make):
    task = make(ema_half_life=1.0, learning_rate=1e-2)
    orange = torch.tensor([0.6, 0.0, -0.6]).view(1, 3, 1, 1).expand(4, 3, 32, 32)
    colours = []
    for number in range(21):
        task.step({"image": orange})
        if number in (0, 20):
            colours.append(task.sample({})["samples"].mean(dim=(0, 2, 3)))
    before, after = (float((colour - orange[0, :, 0, 0]).norm()) for colour in colours)
    assert after < 0.5 * before


def test_the_training_of_all_layers_starts_from_the_layout(make, photos, squeezenet, tmp_path):
    task = make()
    task.step(photos)
    task.export(tmp_path)
    test_projected_gan.write_initial(tmp_path)
    path = tmp_path / "layout.safetensors"
    layout = checkpoints.load(path, Generator).state_dict()
    whole = test_projected_gan.make_task(tmp_path, squeezenet, layout=path)
    top = checkpoints.load(tmp_path / "generator.safetensors", Generator).state_dict()
    weights = whole.generator.state_dict()
    for name in ("constant", "mapping.layers.0.weight", "convs.8.conv.weight"):
        assert weights[name].equal(layout[name])
    for name in ("convs.11.conv.weight", "to_rgbs.10.conv.weight"):
        assert weights[name].equal(top[name])
    assert torch.isfinite(whole.generator(whole.generator.sample_w_plus(0))).all()


def test_a_layout_of_another_generator_is_refused_by_name(make, squeezenet, tmp_path):
    test_projected_gan.write_initial(tmp_path)
    path = tmp_path / "generator.safetensors"
    with pytest.raises(InputError, match=r"wanted the layout of .* in .*generator\.safetensors"):
        test_projected_gan.make_task(tmp_path, squeezenet, layout=path)
