"""Generators of others against the published formulas, written once more and naively."""

import argparse

import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from tests.checkpoints import nvidia_files
from tests.generator import published

CHANNELS = {4: 12, 8: 12, 16: 10, 32: 8, 64: 6}
# Sums over a hundred products in another order, ten layers deep.
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(scope="module")
def nvidia_state():
    return nvidia_files.random_state(64, 16, 2, CHANNELS)


@pytest.fixture(scope="module")
def rosinality_state():
    return published.random_state(64, 16, 3, CHANNELS)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_nvidia_computes_what_its_formulas_say(tmp_path, nvidia_state, protocol):
    nvidia_files.write(tmp_path / "network-snapshot.pkl", nvidia_state, protocol=protocol)
    generator = checkpoints.load_generator(tmp_path / "network-snapshot.pkl")
    check_nvidia(generator, nvidia_state)


def test_a_tensorflow_pickle_computes_the_same(tmp_path, nvidia_state):
    nvidia_files.write_tensorflow(tmp_path / "ffhq.pkl", nvidia_state)
    check_nvidia(checkpoints.load_generator(tmp_path / "ffhq.pkl"), nvidia_state)


def check_nvidia(generator, state):
    assert generator.channels == CHANNELS
    assert torch.equal(generator.w_mean, state["mapping.w_avg"])
    z, w_plus = torch.randn(3, 16), torch.randn(2, 10, 16)
    with torch.no_grad():
        torch.testing.assert_close(generator.mapping(z), nvidia_files.mapping(state, z), **CLOSE)
        image = nvidia_files.synthesize(state, w_plus)
        torch.testing.assert_close(generator(w_plus), image, **CLOSE)


def test_the_decoder_of_a_psp_file_is_its_generator(tmp_path, rosinality_state):
    content = {
        "state_dict": {
            "encoder.input_layer.0.weight": torch.zeros(4, 3, 3, 3),
            **{f"decoder.{name}": tensor for name, tensor in rosinality_state.items()},
        },
        "latent_avg": torch.full((10, 16), 0.25),
        "opts": {"output_size": 64, "device": "cuda:0"},
    }
    torch.save(content, tmp_path / "e4e.pt")
    generator = checkpoints.load_generator(tmp_path / "e4e.pt")
    assert torch.equal(generator.w_mean, torch.full((16,), 0.25))
    w_plus = torch.randn(1, 10, 16)
    with torch.no_grad():
        image, _ = published.synthesize(rosinality_state, w_plus)
        torch.testing.assert_close(generator(w_plus), image, **CLOSE)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_training_state_of_rosinality_gives_its_averaged_generator(
    tmp_path, rosinality_state, is_zip
):
    torch.save(
        training_state(rosinality_state),
        tmp_path / "550000.pt",
        _use_new_zipfile_serialization=is_zip,
    )
    generator = checkpoints.load_generator(tmp_path / "550000.pt")
    w_plus = torch.randn(2, 10, 16)
    with torch.no_grad():
        image, _ = published.synthesize(rosinality_state, w_plus)
        torch.testing.assert_close(generator(w_plus), image, **CLOSE)


def training_state(averaged):
    """The whole content of a file of rosinality's training, after a step of its optimisers."""
    optimizers = []
    for betas in ((0.0, 0.99**0.8), (0.0, 0.99 ** (16 / 17))):
        parameter = torch.nn.Parameter(torch.zeros(4))
        optimizer = torch.optim.Adam([parameter], lr=0.002, betas=betas)
        parameter.sum().backward()
        optimizer.step()
        optimizers.append(optimizer.state_dict())
    command_line = {"size": 64, "path": "lhq", "iter": 800000, "ckpt": None, "augment": True}
    return {
        "g": {name: torch.zeros_like(tensor) for name, tensor in averaged.items()},
        "d": {"convs.0.0.weight": torch.zeros(4, 3, 1, 1)},
        "g_ema": averaged,
        "g_optim": optimizers[0],
        "d_optim": optimizers[1],
        "args": argparse.Namespace(**command_line),
        "ada_aug_p": 0.0,
    }


@pytest.mark.parametrize("shape", [(16,), (1, 16), (10, 16), (1, 10, 16)])
def test_a_mean_is_read_from_a_file_of_its_own_in_every_usual_shape(tmp_path, shape):
    torch.save(torch.full(shape, 0.5), tmp_path / "mean.pt")
    assert torch.equal(checkpoints.read_mean(tmp_path / "mean.pt"), torch.full((16,), 0.5))


def test_a_mean_that_differs_from_layer_to_layer_is_refused(tmp_path):
    torch.save(torch.rand(10, 16), tmp_path / "mean.pt")
    with pytest.raises(InputError, match="the same for all layers"):
        checkpoints.read_mean(tmp_path / "mean.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("synthesis.b8.conv1.bias"), r"lacks the tensor convs\.4\.bias \[12\]"),
        (lambda s: s.update({"mapping.embed.weight": torch.zeros(2, 3)}), "mapping.embed.weight"),
        (lambda s: s.update({"mapping.fc0.bias": torch.zeros(5)}), r"must be \[16\], got \[5\]"),
        (lambda s: s.update({"mapping.fc0.bias": torch.full((16,), torch.nan)}), "not finite"),
        (lambda s: s.pop("synthesis.b4.const"), "StyleGAN3 have other layers"),
        (
            lambda s: s.update({"synthesis.b8.resample_filter": torch.ones(4, 4) / 16}),
            r"resampling filter \[1, 3, 3, 1\]",
        ),
    ],
)
def test_a_pickle_that_does_not_fit_names_the_tensor(tmp_path, nvidia_state, change, message):
    state = dict(nvidia_state)
    change(state)
    nvidia_files.write(tmp_path / "g.pkl", state)
    with pytest.raises(InputError, match=message):
        checkpoints.load_generator(tmp_path / "g.pkl")
