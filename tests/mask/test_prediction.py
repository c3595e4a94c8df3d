import pytest
import torch

from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.mask.deep_features import compute_deep_features
from stylecinegan.mask.ensemble import MaskEnsemble
from stylecinegan.mask.prediction import classify_pixels, predict_mask


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    generator = Generator(256, 8, 1, channels={4: 4, 8: 4, 16: 4, 32: 4, 64: 4, 128: 3, 256: 2})
    encoder = FeatureStyleEncoder(14, 8, 4, (4, 4, 4, 4, 4), (1, 1, 1, 1), 4, 1)
    return generator.eval(), encoder.eval()


def small_ensemble(**arguments):
    torch.manual_seed(1)
    return MaskEnsemble(
        4 + 2 * 3 + 2 * 2,
        num_members=2,
        hidden=(4, 4),
        context_width=8,
        **arguments,
    ).eval()


@pytest.mark.parametrize("size", [(64, 64), (300, 200), (100, 400)])
def test_the_mask_has_the_photos_size_whatever_its_aspect(networks, size):
    photo = torch.rand(1, 3, *size) * 2 - 1
    prediction = predict_mask(small_ensemble(context="semantic"), *networks, photo)
    assert prediction.mask.shape == (1, 1, *size)
    assert prediction.mask.min() >= 0
    assert prediction.mask.max() <= 1
    sides = prediction.classes.vote.shape[2:]
    assert sides[0] / sides[1] == pytest.approx(size[0] / size[1], rel=0.1)


def test_only_the_region_that_is_asked_for_moves(networks):
    model = small_ensemble(context="none")
    for member in model.members:
        last = member.layers[-1]
        torch.nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.tensor([0.0, 0.0, 5.0]))  # water everywhere
    photo = torch.zeros(1, 3, 64, 64)
    masks = [predict_mask(model, *networks, photo, region).mask for region in ("water", "sky")]
    assert masks[0].eq(1).all()
    assert masks[1].eq(0).all()
    assert predict_mask(model, *networks, photo).mask.eq(1).all()


def test_a_window_gives_the_features_of_that_part(networks):
    photo = torch.rand(1, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        whole = compute_deep_features(*networks, photo)
        part = compute_deep_features(*networks, photo, window=(8, 4, 16))
    assert torch.equal(part.features[10], whole.features[10][:, :, 8:24, 4:20])
    assert part.features[14].shape[2:] == (64, 64)
    assert torch.equal(part.image, photo)


def test_an_unknown_region_is_named(networks):
    with pytest.raises(InputError, match="region must be one of both, sky, water, got land"):
        predict_mask(small_ensemble(), *networks, torch.zeros(1, 3, 64, 64), "land")  # pyright: ignore


def test_large_photos_have_the_sky_of_the_prediction_at_512_pixels(networks):
    class BySize(torch.nn.Module):
        """Segments everything as sky at 512 pixels and as static at 384."""

        def forward(self, image):
            sky = 4.0 if image.shape[3] == 512 else -4.0
            logits = torch.tensor([0.0, sky, -4.0, -4.0]).view(1, 4, 1, 1)
            return logits.expand(1, 4, *image.shape[2:])

    ensemble = small_ensemble()
    for side, size, moves in ((512, 512, True), (500, 384, False)):
        photo = torch.zeros(1, 3, side, side + 20)
        classes = classify_pixels(ensemble, *networks, photo, BySize())
        assert classes.probabilities.shape == (1, 3, size, size)
        assert bool((classes.probabilities[:, 1] > 0.5).all()) == moves
