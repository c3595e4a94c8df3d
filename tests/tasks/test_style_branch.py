import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.tasks.style_branch import StyleBranchTask
from tests.tasks.toy_networks import WIDTHS, make_encoder, write_networks


def make_task(folder, squeezenet, **settings):
    torch.manual_seed(1)
    settings = {"num_samples": 40, "num_drawn": 8, "num_steps": 1000, **settings}
    return StyleBranchTask(
        make_encoder(),
        generator=folder / "generator.safetensors",
        initial=folder,
        layout=folder / "layout.safetensors",
        feature_weights=squeezenet,
        **settings,
    )


@pytest.fixture
def make(tmp_path, squeezenet, toy_gans):
    write_networks(tmp_path, squeezenet, shares_layers=True)
    return lambda **settings: make_task(tmp_path, squeezenet, **settings)


def test_all_of_the_encoder_but_the_codes_up_to_d10_stays(make, photos, tmp_path):
    task = make()
    task.step(photos)
    task.export(tmp_path / "export")
    before, after = (
        checkpoints.load(folder / "encoder.safetensors", FeatureStyleEncoder).state_dict()
        for folder in (tmp_path, tmp_path / "export")
    )
    changed = {name for name, tensor in before.items() if not tensor.equal(after[name])}
    assert changed == {f"styles.{k}.{kind}" for k in range(9) for kind in ("weight", "bias")}


def test_the_encoder_gives_the_codes_of_the_trained_maps(make, photos):
    task = make(ema_half_life=1e-3, learning_rate=0.1)
    task.encoder.w_mean.fill_(0.7)  # an encoder may add a mean code to all its codes
    for _ in range(3):
        task.step(photos)
    trained = task.heads(task.encoder.pool_blocks(photos["image"]))
    codes = task.averaged_encoder()(photos["image"])[0][:, :9]
    torch.testing.assert_close(codes, trained, rtol=1e-3, atol=1e-3)


def test_training_starts_from_the_best_linear_codes_of_samples(make, photos):
    """Codes that depend linearly on the features are found before the first step."""
    task = make(num_samples=400, learning_rate=0.0)
    task.step(photos)
    w = task.samples["w"]
    regressed = task.heads(task.samples["features"])
    assert regressed.equal(regressed[:, :1].expand_as(regressed))
    error, spread = (x.detach().square().mean() for x in (regressed[:, 0] - w, w - w.mean(dim=0)))
    assert float(error) < 0.8 * float(spread)


def test_the_codes_of_a_photo_come_to_render_it(make, photos):
    task = make(dropout=0.0, learning_rate=1e-2, ema_half_life=1.0)
    before = task.step(photos)
    for _ in range(60):
        after = task.step(photos)
    for name in ("pixel", "perceptual"):
        assert float(after[name]) < 0.8 * float(before[name]), name


@pytest.mark.parametrize("name", ["code", "regularization", "variation"])
def test_the_weight_of_a_term_lowers_it(name, make, photos):
    terms = []
    for weight in (0.0, 30.0):
        task = make(**{f"{name}_weight": weight}, learning_rate=1e-2)
        for number in range(20):
            torch.manual_seed(number)
            term = task.step(photos)[name]
        terms.append(float(term))
    assert terms[1] < 0.7 * terms[0]


def test_sample_shows_photos_and_their_inversions_by_w_alone(make, photos):
    task = make()
    task.step(photos)
    shown = task.sample(photos)["inversion"]
    torch.testing.assert_close(shown[:4], photos["image"])
    codes = task.averaged_encoder()(photos["image"])[0]
    assert shown[4:].equal(task.generator(codes).clamp(-1.0, 1.0))


def test_an_encoder_of_another_generator_is_refused(make, tmp_path):
    other = Generator(256, 16, 2, channels={**WIDTHS, 256: 8}, first_rgb_layer=10)
    checkpoints.save(tmp_path / "generator.safetensors", other)
    with pytest.raises(InputError, match="wanted an encoder of 14 codes of length 16"):
        make_task(tmp_path, None)


def test_a_layout_without_its_colours_is_refused_by_name(make, tmp_path):
    (tmp_path / "layout_rgb.safetensors").unlink()
    with pytest.raises(InputError, match="layout_rgb"):
        make()
