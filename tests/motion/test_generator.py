import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.motion.generator import MotionGenerator, extend_to_multiple


def small_generator(**arguments):
    torch.manual_seed(0)
    return MotionGenerator(**{"width": 4, "num_downsamplings": 2, "num_blocks": 2, **arguments})


@pytest.mark.parametrize("variant", ["stylecinegan", "pix2pixhd"])
@pytest.mark.parametrize("size", [(32, 48), (33, 47), (5, 90), (1, 1)])
def test_a_motion_has_the_size_of_its_photo(variant, size):
    motion = small_generator(variant=variant)(torch.rand(2, 3, *size))
    assert motion.shape == (2, 2, *size)
    assert motion.isfinite().all()


def test_only_the_pix2pixhd_variant_bounds_its_output():
    photo = torch.rand(1, 3, 32, 32)
    for variant, is_bounded in (("stylecinegan", False), ("pix2pixhd", True)):
        generator = small_generator(variant=variant)
        for parameter in generator.parameters():
            parameter.data.mul_(100.0)
        assert (generator(photo).abs().max() <= 1.0) == is_bounded


def test_photos_are_padded_by_reflection_at_the_right_and_bottom():
    row = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3)
    extended = extend_to_multiple(row, 4)
    assert extended[0, 0, 0].tolist() == [1, 2, 3, 2, 1, 2, 3, 2]  # twice the multiple
    assert extended.shape == (1, 1, 8, 8)
    assert extend_to_multiple(torch.zeros(1, 1, 9, 8), 4).shape == (1, 1, 12, 8)


def test_a_saved_generator_predicts_the_same(tmp_path):
    generator = small_generator(in_channels=5, side=96)
    checkpoints.save(tmp_path / "motion.safetensors", generator)
    loaded = checkpoints.load(tmp_path / "motion.safetensors", MotionGenerator)
    assert loaded.side == 96
    photo = torch.rand(1, 5, 16, 16)
    torch.testing.assert_close(loaded(photo), generator(photo), atol=2e-3, rtol=0)  # half precision


@pytest.mark.parametrize(
    ("variant", "up", "out"),
    [
        ("stylecinegan", {26: (512, 1024, 3, 3), 30: (256, 512, 3, 3), 38: (64, 128, 3, 3)}, 42),
        ("pix2pixhd", {25: (1024, 512, 3, 3), 28: (512, 256, 3, 3), 34: (128, 64, 3, 3)}, 38),
    ],
)
def test_the_paper_s_size_has_the_published_tensors(variant, up, out):
    with torch.device("meta"):
        state = MotionGenerator(variant=variant).state_dict()
    assert len(state) == 56
    assert round(sum(tensor.numel() for tensor in state.values()) / 1e6, 2) == 182.44
    assert state["model.13.weight"].shape == (1024, 512, 3, 3)
    assert state["model.24.conv_block.5.weight"].shape == (1024, 1024, 3, 3)
    assert {number: tuple(state[f"model.{number}.weight"].shape) for number in up} == up
    assert state[f"model.{out}.weight"].shape == (2, 64, 7, 7)


def test_an_unknown_variant_is_refused():
    with pytest.raises(InputError, match="stylecinegan, pix2pixhd, got other"):
        small_generator(variant="other")
