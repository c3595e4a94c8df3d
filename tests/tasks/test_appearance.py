import pytest
import torch

from stylecinegan import StyleCineGAN, checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.tasks.appearance import AppearanceTask
from stylecinegan.tasks.reconstruction import fix_top_codes
from tests.tasks.batches import landscapes


def write_decoder(folder):
    """Writes a decoder whose layers after D^10 ignore their codes."""
    torch.manual_seed(0)
    generator = Generator(256, 8, 1, channel_base=2048, channel_max=16, first_rgb_layer=10)
    encoder = FeatureStyleEncoder(14, 8, 16, (8, 8, 4, 4, 4), (1, 1, 1, 1), 8, 1).eval()
    fix_top_codes(generator, encoder, torch.randn(2, 3, 32, 32))
    checkpoints.save(folder / "generator.safetensors", generator)
    checkpoints.save(folder / "encoder.safetensors", encoder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decoder")
    write_decoder(folder)
    return folder


@pytest.fixture(scope="module")
def batch():
    return landscapes(32)


def make_task(folder, **settings):
    torch.manual_seed(0)
    settings = {"num_components": 4, "num_warmup": 1, "num_steps": 40, **settings}
    return AppearanceTask(folder, **settings)


def test_inversions_stay_the_same_bit_for_bit_and_codes_have_an_effect(folder, batch, tmp_path):
    task = make_task(folder)
    for _ in range(3):
        task.step(batch)
    task.export(tmp_path)
    before, after = StyleCineGAN.load(folder), StyleCineGAN.load(tmp_path)
    photo = batch["image"][:1]
    inversions = before.invert(photo), after.invert(photo)
    assert torch.equal(inversions[0].image, inversions[1].image)
    codes = inversions[1].w_plus + 1.0
    start = (10, inversions[1].features[10])
    changed = after.generator.render(after.generator.features(codes, start), codes)
    assert (changed - inversions[1].image).abs().mean() > 1e-3


def test_a_generator_whose_codes_have_an_effect_is_refused(folder, tmp_path):
    checkpoints.save(tmp_path / "generator.safetensors", Generator(64, 8, 1, channel_max=4))
    with pytest.raises(InputError, match="ignore their codes"):
        AppearanceTask(tmp_path)
