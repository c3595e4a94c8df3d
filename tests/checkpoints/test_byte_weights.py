import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from stylecinegan import checkpoints
from stylecinegan.checkpoints.byte_weights import from_bytes, to_bytes
from stylecinegan.errors import InputError


class Affine(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.arguments = {"width": width}
        self.linear = nn.Linear(width, 6)
        self.register_buffer("count", torch.tensor(3))


def test_weights_are_quantised_to_multiples_of_a_step_per_channel():
    weight = torch.tensor([[127.0, 1.4, -0.6, 0.2], [63.5, -0.7, 0.3, -63.5]])
    stored = to_bytes({"w": weight})
    assert stored["w"].dtype == torch.int8
    assert stored["w"].tolist() == [[127, 1, -1, 0], [127, -1, 1, -127]]
    assert stored["w.steps"].tolist() == [1.0, 0.5]
    assert from_bytes(stored)["w"].tolist() == [[127.0, 1.0, -1.0, 0.0], [63.5, -0.5, 0.5, -63.5]]


def test_the_error_of_a_weight_is_at_most_half_a_step_and_its_rounding():
    weight = torch.randn(7, 3, 5, 5)
    error = (from_bytes(to_bytes({"w": weight}))["w"] - weight).abs().flatten(1).amax(dim=1)
    largest = weight.abs().flatten(1).amax(dim=1)
    assert (error <= largest * (0.5 / 127 + 1e-3)).all()


def test_a_channel_of_zeros_stays_zero():
    assert from_bytes(to_bytes({"w": torch.zeros(2, 3)}))["w"].eq(0).all()


def test_vectors_are_halved_where_half_precision_holds_them():
    stored = to_bytes({"small": torch.tensor([0.1, 2.0]), "large": torch.tensor([1e6])})
    assert stored["small"].dtype == torch.float16
    assert stored["large"].dtype == torch.float32


def test_a_module_is_rebuilt_from_bytes(tmp_path):
    module = Affine(64)
    checkpoints.save(tmp_path / "affine.safetensors", module, use_bytes=True)
    with safe_open(tmp_path / "affine.safetensors", framework="pt") as file:
        assert file.get_tensor("linear.weight").dtype == torch.int8
    loaded = checkpoints.load(tmp_path / "affine.safetensors", Affine)
    assert loaded.linear.weight.dtype == torch.float32
    torch.testing.assert_close(loaded.linear.weight, module.linear.weight, atol=1e-3, rtol=0)
    torch.testing.assert_close(loaded.linear.bias, module.linear.bias, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "steps",
    [None, torch.ones(5), torch.ones(6, 1), torch.ones(6, dtype=torch.int64)],
    ids=["none", "too few", "a matrix", "whole numbers"],
)
def test_bytes_without_their_steps_are_refused_with_the_file_s_name(tmp_path, steps):
    stored = to_bytes(Affine().state_dict())
    del stored["linear.weight.steps"]
    if steps is not None:
        stored["linear.weight.steps"] = steps
    metadata = {"class": "Affine", "arguments": '{"width": 4}'}
    save_file(stored, tmp_path / "affine.safetensors", metadata)
    message = r"affine\.safetensors: linear\.weight is in bytes and lacks a step"
    with pytest.raises(InputError, match=message):
        checkpoints.load(tmp_path / "affine.safetensors", Affine)
