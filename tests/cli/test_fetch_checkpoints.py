import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from stylecinegan import checkpoints, resources
from stylecinegan.backbones.lpips_trunks import DIGESTS, digest, read_trunk
from stylecinegan.errors import InputError
from stylecinegan.generator import Generator
from stylecinegan.importers.recognition import recognize
from stylecinegan.inversion import FeatureStyleEncoder
from stylecinegan.mask import MaskEnsemble
from stylecinegan.motion.generator import MotionGenerator
from stylecinegan.pipeline import StyleCineGAN
from tests.checkpoints import nvidia_files
from tests.generator import published
from tests.importers.classifier_files import write_classifiers
from tests.importers.encoder_files import trained_encoder
from tests.importers.test_released_motion import published as pix2pixhd
from tests.test_configs import load

SCRIPT = Path(__file__).parents[2] / "scripts/fetch_checkpoints.py"
CHANNELS = {4: 12, 8: 12, 16: 10, 32: 8, 64: 24}


@pytest.fixture
def fetch(monkeypatch, capsys):
    """Runs the script in this process, as the command line would."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        code, message = 0, ""
        try:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        except SystemExit as stop:
            code, message = 1, str(stop.code)
        return SimpleNamespace(returncode=code, stdout=capsys.readouterr().out, stderr=message)

    return run


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Small versions of the authors' files, under meaningless names."""
    folder = tmp_path_factory.mktemp("released")
    state = published.random_state(64, 16, 2, CHANNELS)
    torch.save({"g_ema": state}, folder / "a")
    torch.save(torch.full((10, 16), 0.5), folder / "mean")
    torch.save(trained_encoder().state_dict(), folder / "b")
    write_classifiers(folder / "c")
    torch.save(pix2pixhd("stylecinegan").state_dict(), folder / "d")
    torch.save(pix2pixhd("pix2pixhd").state_dict(), folder / "e")
    nvidia_files.write(folder / "f", nvidia_files.random_state(64, 16, 2, CHANNELS))
    return folder


def test_the_released_files_are_converted_to_a_model(released, tmp_path, fetch):
    model = tmp_path / "lhq_1024"
    mean = ["--mean", released / "mean"]
    for name, extra in {"a": mean, "b": mean, "c": [], "d": []}.items():
        done = fetch("convert", released / name, model, *extra)
        assert done.returncode == 0, done.stderr
    assert "variant stylecinegan" in done.stdout
    assert sorted(path.name for path in model.iterdir()) == [
        "encoder.safetensors",
        "generator.safetensors",
        "mask.safetensors",
        "motion.safetensors",
    ]
    loaded = StyleCineGAN.load(model)
    assert torch.equal(loaded.encoder.w_mean, torch.full((16,), 0.5))
    assert torch.equal(loaded.generator.w_mean, torch.full((16,), 0.5))
    # Weights are written in full precision.
    foreign = checkpoints.load_generator(released / "a", torch.full((16,), 0.5))
    for name, tensor in foreign.state_dict().items():
        assert torch.equal(loaded.generator.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    ("name", "kind", "layout"),
    [
        ("a", Generator, "rosinality"),
        ("b", FeatureStyleEncoder, "k = 9"),
        ("c", MaskEnsemble, "DatasetGAN classifiers"),
        ("c/best_model_number_1.pth", MaskEnsemble, "one DatasetGAN classifier"),
        ("d", MotionGenerator, "variant stylecinegan"),
        ("e", MotionGenerator, "variant pix2pixhd"),
        ("f", Generator, "stylegan2-ada-pytorch"),
    ],
)
def test_files_are_recognised_by_their_content(released, tmp_path, name, kind, layout):
    found = recognize(released / name, torch.zeros(16))
    assert type(found.module) is kind
    assert layout in found.layout
    checkpoints.save(tmp_path / "ours", found.module)
    assert recognize(tmp_path / "ours").layout == "this project"


def test_an_encoder_without_a_mean_is_refused_with_advice(released, tmp_path, fetch):
    done = fetch("convert", released / "b", tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "--mean FILE" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_message_about_unknown_weights_lists_their_tensors(tmp_path):
    torch.save({"backbone.weight": torch.zeros(2), "epoch": 3}, tmp_path / "x.pt")
    with pytest.raises(InputError, match=r"no known network: found backbone\.weight, epoch"):
        recognize(tmp_path / "x.pt")


def test_describe_lists_the_released_files(fetch):
    done = fetch("describe")
    assert done.returncode == 0
    for name in ("sg2-lhq-1024.pt", "143_enc.pth", "best_model_number_0.pth", "latest_net_G.pth"):
        assert name in done.stdout


def test_the_message_about_a_missing_1024_model_says_how_to_get_it(monkeypatch, tmp_path):
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    monkeypatch.setattr(resources, "CHECKPOINTS_DIR", tmp_path)
    monkeypatch.chdir(tmp_path)
    cfg = load("generate", "model=lhq_1024", "photo=a.jpg")
    with pytest.raises(InstantiationException) as caught:
        instantiate(cfg.model)
    assert "fetch_checkpoints describe" in str(caught.value.__cause__)
    assert load("generate", "model=lhq_1024", "model.directory=other").model.directory == "other"


def test_lpips_extracts_the_published_convolutions_and_refuses_others(tmp_path, fetch, monkeypatch):
    shapes = {
        0: (64, 3, 11),
        3: (192, 64, 5),
        6: (384, 192, 3),
        8: (256, 384, 3),
        10: (256, 256, 3),
    }
    state = {"classifier.1.weight": torch.zeros(1)}
    for number, (out, into, side) in shapes.items():
        state[f"features.{number}.weight"] = torch.rand(out, into, side, side)
        state[f"features.{number}.bias"] = torch.rand(out)
    torch.save(state, tmp_path / "alexnet.pth")
    refused = fetch("lpips", tmp_path / "alexnet.pth", tmp_path / "hub")
    assert refused.stderr.startswith("error: ")
    assert "must hold the published convolutions of AlexNet or VGG16" in refused.stderr
    assert not (tmp_path / "hub").exists()
    # From here on these weights count as the published ones.
    published = digest(read_trunk("alex", tmp_path / "alexnet.pth"))
    monkeypatch.setitem(DIGESTS, "alex", published)
    done = fetch("lpips", tmp_path / "alexnet.pth", tmp_path / "hub")
    assert done.returncode == 0, done.stderr
    target = tmp_path / "hub/alexnet_features.safetensors"
    assert str(target) in done.stdout
    assert digest(read_trunk("alex", target)) == published
