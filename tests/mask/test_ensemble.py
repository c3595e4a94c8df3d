import pytest
import torch
import torch.nn.functional as F

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.importers.released_classifiers import load_released_ensemble
from stylecinegan.mask import ensemble as ensemble_file
from stylecinegan.mask.deep_features import DeepFeatures
from stylecinegan.mask.ensemble import MaskEnsemble, PixelClassifier
from stylecinegan.mask.semantic_features import SemanticContext


def deep(height=4, width=4):
    torch.manual_seed(0)
    features = {10: torch.randn(1, 3, height, width), 11: torch.randn(1, 2, 2 * height, 2 * width)}
    return DeepFeatures(features, torch.rand(1, 3, 4 * height, 4 * width) * 2 - 1)


class Constant(torch.nn.Module):
    def __init__(self, *logits):
        super().__init__()
        self.values = torch.tensor(logits)

    def forward(self, pixels):
        return self.values.expand(len(pixels), -1)


def test_most_votes_win_and_their_share_is_the_confidence():
    model = MaskEnsemble(5, num_members=3, hidden=(4, 4)).eval()
    model.members = torch.nn.ModuleList(
        [Constant(0.0, 1.0, 0.0), Constant(0.0, 1.0, 0.0), Constant(0.0, 0.0, 9.0)]
    )
    result = model(deep(), (8, 8))
    assert (result.vote == 1).all()
    torch.testing.assert_close(result.confidence, torch.full((1, 1, 8, 8), 2 / 3))
    # The mean of the probabilities is another matter: one member is very sure of class 2.
    sure = torch.tensor([0.0, 0.0, 9.0]).softmax(0)[2]
    weak = torch.tensor([0.0, 1.0, 0.0]).softmax(0)[2]
    torch.testing.assert_close(result.probabilities[0, 2], (sure + 2 * weak).div(3).expand(8, 8))


def test_the_vote_leans_and_the_probabilities_do_not():
    model = MaskEnsemble(5, num_members=2, hidden=(4, 4)).eval()
    model.members = torch.nn.ModuleList([Constant(0.3, 0.0, 0.0)] * 2)
    plain = model(deep(), (8, 8))
    assert (plain.vote == 0).all()
    model.logit_shift.copy_(torch.tensor([0.0, 0.0, 0.4]))
    leaning = model(deep(), (8, 8))
    assert (leaning.vote == 2).all()
    assert torch.equal(leaning.probabilities, plain.probabilities)


@torch.no_grad()
def test_probabilities_are_averaged_half_and_half_with_those_of_the_semantic_networks():
    torch.manual_seed(5)
    model = MaskEnsemble(
        5, num_members=1, hidden=(4, 4), context="semantic", context_width=8, context_networks=2
    ).eval()
    model.members = torch.nn.ModuleList([Constant(0.0, 50.0, 0.0)])
    for network, bias in zip(
        model.context.networks, ([0.0, 0.0, 50.0], [50.0, 0.0, 0.0]), strict=True
    ):
        network.classify.weight.zero_()
        network.classify.bias.copy_(torch.tensor(bias))
    result = model(deep(), (8, 8))
    expected = torch.tensor([0.25, 0.5, 0.25]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    torch.testing.assert_close(result.probabilities, expected)


@torch.no_grad()
def test_semantic_features_are_classified_as_in_their_training():
    torch.manual_seed(6)
    context = SemanticContext(8, num_networks=2).eval()
    maps = context(torch.rand(1, 3, 32, 32) * 2 - 1)
    wanted = [
        network.classify(part).softmax(dim=1)
        for network, part in zip(context.networks, maps.split(24, dim=1), strict=True)
    ]
    found = context.classify(maps.flatten(2)[0].T)
    torch.testing.assert_close(found.T.view(1, 3, 8, 8), (wanted[0] + wanted[1]) / 2.0)


@pytest.mark.parametrize("context", ["none", "semantic"])
def test_working_in_strips_changes_nothing(context, monkeypatch):
    torch.manual_seed(1)
    model = MaskEnsemble(5, num_members=2, hidden=(4, 4), context=context, context_width=8).eval()
    whole = model(deep(), (8, 8))
    monkeypatch.setattr(ensemble_file, "PIXELS_AT_ONCE", 24)
    strips = model(deep(), (8, 8))
    torch.testing.assert_close(strips.probabilities, whole.probabilities)
    torch.testing.assert_close(whole.probabilities.sum(dim=1), torch.ones(1, 8, 8))


def test_pictures_of_any_aspect_are_classified():
    model = MaskEnsemble(
        5, num_members=1, hidden=(4, 4), context="semantic", context_width=8
    ).eval()
    assert model(deep(6, 22), (24, 88)).vote.shape == (1, 1, 24, 88)


def test_an_unknown_context_is_named():
    with pytest.raises(InputError, match="context must be none or semantic, got sky"):
        MaskEnsemble(5, context="sky")  # pyright: ignore


def test_a_saved_ensemble_comes_back(tmp_path):
    torch.manual_seed(2)
    model = MaskEnsemble(
        5, num_members=2, hidden=(4, 4), context="semantic", context_width=8
    ).eval()
    checkpoints.save(tmp_path / "mask.safetensors", model)
    loaded = checkpoints.load(tmp_path / "mask.safetensors", MaskEnsemble)
    expected, actual = model(deep(), (8, 8)), loaded(deep(), (8, 8))
    # Half precision keeps three digits.
    torch.testing.assert_close(actual.probabilities, expected.probabilities, atol=3e-3, rtol=0)


def write_released(folder, count, prefix="module."):
    """Files as the authors' training script writes them."""
    torch.manual_seed(3)
    for number in range(count):
        state = {
            "layers.0.weight": torch.randn(128, 7),
            "layers.0.bias": torch.randn(128),
            "layers.2.weight": torch.rand(128),
            "layers.2.bias": torch.randn(128),
            "layers.2.running_mean": torch.randn(128),
            "layers.2.running_var": torch.rand(128) + 0.5,
            "layers.2.num_batches_tracked": torch.tensor(10),
            "layers.3.weight": torch.randn(32, 128),
            "layers.3.bias": torch.randn(32),
            "layers.5.weight": torch.rand(32),
            "layers.5.bias": torch.randn(32),
            "layers.5.running_mean": torch.randn(32),
            "layers.5.running_var": torch.rand(32) + 0.5,
            "layers.5.num_batches_tracked": torch.tensor(10),
            "layers.6.weight": torch.randn(3, 32),
            "layers.6.bias": torch.randn(3),
        }
        content = {"model_state_dict": {prefix + name: value for name, value in state.items()}}
        torch.save(content, folder / f"best_model_number_{number}.pth")
    return state


def test_the_released_classifiers_compute_linear_relu_norm_twice(tmp_path):
    state = write_released(tmp_path, 10)
    model = load_released_ensemble(tmp_path)
    assert len(model.members) == 10
    pixels = torch.randn(5, 7)
    x = pixels
    for layer in (0, 3):
        x = F.relu(x @ state[f"layers.{layer}.weight"].T + state[f"layers.{layer}.bias"])
        norm = f"layers.{layer + 2}."
        x = (x - state[norm + "running_mean"]) / (state[norm + "running_var"] + 1e-5).sqrt()
        x = x * state[norm + "weight"] + state[norm + "bias"]
    expected = x @ state["layers.6.weight"].T + state["layers.6.bias"]
    torch.testing.assert_close(model.logits(pixels)[9], expected, rtol=1e-4, atol=1e-3)


def test_a_folder_without_classifiers_and_a_file_without_one_are_named(tmp_path):
    with pytest.raises(InputError, match=r"wanted best_model_number_0\.pth"):
        load_released_ensemble(tmp_path)
    torch.save({"model_state_dict": {"a": torch.zeros(1)}}, tmp_path / "best_model_number_0.pth")
    with pytest.raises(InputError, match=r"best_model_number_0\.pth must hold a pixel classifier"):
        load_released_ensemble(tmp_path)


def test_a_classifier_has_the_widths_of_the_release():
    shapes = [tuple(p.shape) for p in PixelClassifier(1472).parameters() if p.ndim == 2]
    assert shapes == [(128, 1472), (32, 128), (3, 32)]
