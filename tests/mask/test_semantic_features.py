import pytest
import torch

from stylecinegan.mask.semantic_features import SemanticContext


def make_context(num_networks=1):
    torch.manual_seed(0)
    return SemanticContext(8, num_networks=num_networks).eval()


@pytest.fixture
def photo():
    torch.manual_seed(1)
    return torch.rand(1, 3, 64, 96) * 2.0 - 1.0


@torch.no_grad()
def test_features_of_all_networks_are_concatenated_at_a_quarter_of_the_resolution(photo):
    context = make_context(2)
    maps = context(photo)
    assert context.num_channels == 48
    assert maps.shape == (1, 48, 16, 24)
    torch.testing.assert_close(context.encode(photo)[:, 24:], context.networks[1](photo))


@torch.no_grad()
def test_a_mirrored_photo_gets_mirrored_maps(photo):
    context = make_context()
    torch.testing.assert_close(context(photo.flip(3)).flip(3), context(photo), atol=1e-5, rtol=1e-4)
    once = context.encode(photo)
    assert not torch.allclose(context.encode(photo.flip(3)).flip(3), once, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_features_are_the_mean_over_two_scales_and_their_flips(photo, monkeypatch):
    images = []

    def encode(image):
        images.append(image)
        # Left to right 0 to 1: that of the flipped photo runs the other way once flipped back.
        ramp = torch.linspace(0.0, 1.0, image.shape[3] // 4)
        return ramp.expand(1, 1, image.shape[2] // 4, -1)

    context = make_context()
    monkeypatch.setattr(context, "encode", encode)
    maps = context(photo)
    assert [tuple(image.shape[2:]) for image in images] == [(64, 96)] * 2 + [(80, 120)] * 2
    assert torch.equal(images[1], photo.flip(3))
    torch.testing.assert_close(maps, torch.full((1, 1, 16, 24), 0.5))
