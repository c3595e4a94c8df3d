import pytest
import torch
from safetensors.torch import save_file

from stylecinegan import checkpoints
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.inversion import FeatureStyleEncoder
from tests.generator import published

CHANNELS = {4: 12, 8: 12, 16: 10, 32: 8, 64: 6}


@pytest.fixture
def foreign_state():
    return published.random_state(64, 16, 3, CHANNELS)


def test_a_rosinality_file_computes_what_the_published_formulas_say(tmp_path, foreign_state):
    torch.save({"g_ema": foreign_state, "latent_avg": torch.full((16,), 0.5)}, tmp_path / "g.pt")
    generator = checkpoints.load_generator(tmp_path / "g.pt")
    assert generator.channels == CHANNELS
    assert torch.equal(generator.w_mean, torch.full((16,), 0.5))
    z = torch.randn(3, 16)
    torch.testing.assert_close(generator.mapping(z), published.mapping(foreign_state, z))
    w_plus = torch.randn(3, 10, 16)
    image, features = published.synthesize(foreign_state, w_plus)
    ours = generator.features(w_plus)
    # Sums over a hundred products in another order, ten layers deep.
    close = {"rtol": 1e-4, "atol": 1e-4}
    for index, expected in enumerate(features):
        torch.testing.assert_close(ours[index + 2], expected, **close)
    torch.testing.assert_close(generator.render(ours, w_plus), image, **close)


def test_a_bare_state_without_a_mean_gets_an_estimated_one(tmp_path, foreign_state):
    torch.save(foreign_state, tmp_path / "g.pt")
    generator = checkpoints.load_generator(tmp_path / "g.pt")
    w = generator.mapping(torch.randn(20_000, 16))
    # Of 10,000 samples the mean is off by a hundredth of their deviation.
    assert ((generator.w_mean - w.mean(dim=0)).abs() < 0.06 * w.std(dim=0)).all()


def test_saved_modules_are_rebuilt_with_their_arguments(tmp_path):
    generator = Generator(32, 16, 2, 256, 8, first_rgb_layer=4)
    checkpoints.save(tmp_path / "g.safetensors", generator)
    rebuilt = checkpoints.load_generator(tmp_path / "g.safetensors")
    assert rebuilt.arguments == generator.arguments
    for name, tensor in generator.state_dict().items():
        # Matrices are stored in half precision.
        torch.testing.assert_close(rebuilt.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["g.safetensors"]


def test_a_file_of_another_class_is_refused(tmp_path):
    checkpoints.save(tmp_path / "g.safetensors", Generator(32, 8, 1, 64, 4))
    with pytest.raises(InputError, match="must hold a FeatureStyleEncoder, found Generator"):
        checkpoints.load(tmp_path / "g.safetensors", FeatureStyleEncoder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("conv1.activate.bias"), r"lacks the tensor convs\.2\.bias"),
        (lambda s: s.update(extra=torch.zeros(2)), r"unexpected tensor extra \[2\]"),
        (lambda s: s.update({"style.1.bias": torch.zeros(5)}), r"must be \[16\], got \[5\]"),
        (lambda s: s["convs.1.conv.weight"].fill_(float("nan")), "not finite"),
    ],
)
def test_files_that_do_not_fit_name_the_tensor(tmp_path, foreign_state, change, message):
    change(foreign_state)
    torch.save({"g_ema": foreign_state}, tmp_path / "g.pt")
    with pytest.raises(InputError, match=message):
        checkpoints.load_generator(tmp_path / "g.pt")


class _Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_that_names_code_is_refused_and_never_runs(tmp_path):
    canary = tmp_path / "canary"
    torch.save({"g_ema": _Canary(canary)}, tmp_path / "g.pt")
    with pytest.raises(InputError, match="not a checkpoint that can be read safely"):
        checkpoints.load_generator(tmp_path / "g.pt")
    assert not canary.exists()


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html><html>quota exceeded</html>", b"\x80\x02"]
)
@pytest.mark.parametrize("name", ["g.pt", "g.safetensors"])
def test_files_that_are_no_checkpoint_are_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        checkpoints.load_generator(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="found no such file"):
        checkpoints.load_generator(tmp_path / "g.pt")
    with pytest.raises(InputError, match="found a folder"):
        checkpoints.load_generator(tmp_path)


def test_a_safetensors_file_of_someone_else_is_refused(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="must hold a Generator, found no class name"):
        checkpoints.load_generator(tmp_path / "x.safetensors")
