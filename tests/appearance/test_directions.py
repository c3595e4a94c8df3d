import pytest
import torch

from stylecinegan.appearance import StyleDirections, find_directions
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator


def test_directions_are_sorted_by_deviation():
    # w = z stretched by 1, 5 and 2 along the axes.
    generator = Generator(32, 3, 1, channel_base=32, channel_max=4).requires_grad_(False)
    generator.mapping = torch.nn.Linear(3, 3, bias=False)
    generator.mapping.weight.data = torch.tensor([1.0, 5.0, 2.0]).diag()
    found = find_directions(generator, num_samples=20000)
    torch.testing.assert_close(found.deviations, torch.tensor([5.0, 2.0, 1.0]), rtol=0.03, atol=0.0)
    expected = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(found.components, expected, rtol=0.0, atol=0.05)


def test_slider_offsets_are_in_standard_deviations():
    directions = StyleDirections(torch.eye(3), torch.tensor([5.0, 2.0, 1.0]))
    assert directions.offset({1: -1.0, 3: 2.0}).tolist() == [-5.0, 0.0, 2.0]


@pytest.mark.parametrize("number", [0, 4])
def test_a_component_that_does_not_exist_is_refused(number):
    directions = StyleDirections(torch.eye(3), torch.ones(3))
    with pytest.raises(InputError, match=f"from pc1 to pc3, got pc{number}"):
        directions.offset({number: 1.0})
