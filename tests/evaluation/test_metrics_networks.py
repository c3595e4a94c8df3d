"""Metrics over networks whose weights are files: with random weights, against the packages."""

from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
from pytorch_fid.fid_score import get_activations
from pytorch_fid.inception import InceptionV3
from torch import nn
from torchvision.models import Inception3

from stylecinegan import io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.losses.adversarial import SqueezeNetFeatures, perceptual_distance
from stylecinegan.metrics.frechet import I3DFeatures, InceptionFeatures
from stylecinegan.metrics.perceptual import LPIPS, SqueezeNetDistance
from stylecinegan.metrics.pictures import FeatureStatistics, compare
from stylecinegan.metrics.weights import find_weights

SQUEEZENET = Path(__file__).parents[3] / "shared/data/squeezenet1_0_features.npz"


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    """An empty folder of torch's downloads, and no way to fill it by one."""
    monkeypatch.setattr(torch.hub, "download_url_to_file", forbidden)
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "hub"))
    yield tmp_path / "hub/checkpoints"
    torch.hub.set_dir(before)


def forbidden(*arguments, **keywords):
    raise AssertionError("tried to download")


def landscapes(size=72, count=4):
    """Pictures and disturbed ones, of the 256 values of a file."""
    clean = torch.cat([draw_landscape(size, size, seed).image for seed in range(count)])
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    disturbed = (clean + 0.2 * noise).clamp(-1, 1)
    return [((x + 1) * 127.5).round() / 127.5 - 1 for x in (disturbed, clean)]


@pytest.fixture(scope="module")
def alex(tmp_path_factory):
    """Random weights of the trunk, as torchvision names them."""
    torch.manual_seed(0)
    trunk = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = {f"features.{k.split('.', 1)[1]}": v for k, v in trunk.net.state_dict().items()}
    state["classifier.1.weight"] = torch.zeros(1)  # the head, which LPIPS has no use for
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    torch.save(state, path)
    return trunk, path


def test_lpips_is_that_of_the_package_for_every_picture_however_batched(alex):
    package, path = alex
    actual, expected = landscapes()
    metric = LPIPS("alex", trunk=path)
    wanted = package(actual, expected).flatten()
    assert wanted.min() > 0
    torch.testing.assert_close(metric(actual, expected), wanted)
    one_by_one = [metric(a, e) for a, e in zip(actual.split(1), expected.split(1), strict=True)]
    torch.testing.assert_close(torch.cat(one_by_one), wanted)
    assert not metric(expected, expected).any()


def test_lpips_fed_with_the_wrong_range_has_a_name_of_its_own(alex):
    package, path = alex
    actual, expected = landscapes()
    metrics = [LPIPS("alex", trunk=path), LPIPS("alex", use_unit_range=True, trunk=path)]
    figures = compare(metrics, actual, expected)
    assert list(figures) == ["LPIPS alex", "LPIPS alex fed with [0, 1]"]
    wrong = package((actual + 1) / 2, (expected + 1) / 2).flatten()
    torch.testing.assert_close(figures["LPIPS alex fed with [0, 1]"], wrong)
    assert (wrong < figures["LPIPS alex"]).all()


def test_masked_lpips_of_equal_pixels_is_the_packages_and_nothing_outside_counts(alex):
    package, path = alex
    actual, expected = landscapes()
    region = torch.zeros(4, 1, 72, 72)
    region[:, :, :36] = 1.0
    figures = compare([LPIPS("alex", trunk=path)], actual, expected, region)
    black = [torch.where(region > 0.5, x, -1.0) for x in (actual, expected)]
    torch.testing.assert_close(figures["LPIPS alex (masked equal)"], package(*black).flatten())
    assert (figures["LPIPS alex (mask area)"] > figures["LPIPS alex (masked equal)"]).all()
    actual[:, :, 36:] = 1.0
    again = compare([LPIPS("alex", trunk=path)], actual, expected, region)
    for name, values in figures.items():
        torch.testing.assert_close(again[name], values)


def test_missing_weights_are_one_line_with_name_size_hash_and_place(hub):
    with pytest.raises(InputError) as error:
        LPIPS("alex")
    assert str(error.value) == (
        "LPIPS with net=alex needs the weights alexnet-owt-7be5be79.pth (233 MB, SHA-256 "
        f"7be5be79…), wanted at {hub}/alexnet-owt-7be5be79.pth, found no such file (nothing is "
        "downloaded)"
    )
    with pytest.raises(InputError, match=r"FID needs .*-6726825d.pth \(SHA-256 6726825d…\)"):
        InceptionFeatures()
    with pytest.raises(InputError, match=r"FVD needs the weights i3d_torchscript.pt, wanted at"):
        I3DFeatures()


def test_a_file_whose_contents_do_not_fit_the_hash_in_its_name_is_refused(tmp_path):
    # SHA-256 of "abc" begins with ba7816bf.
    for content, name in ((b"abc", "net-ba7816bf.pth"), (b"abc", "net.pth")):
        (tmp_path / name).write_bytes(content)
        assert find_weights("FID", name, "", tmp_path / name) == tmp_path / name
    (tmp_path / "net-ba7816bf.pth").write_bytes(b"abcd")
    with pytest.raises(InputError, match="SHA-256 of its name, ba7816bf…, found 88d4266f…"):
        find_weights("FID", "net-ba7816bf.pth", "", tmp_path / "net-ba7816bf.pth")


def test_a_file_without_the_networks_weights_is_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "some.pth")
    with pytest.raises(InputError, match=r"some\.pth lacks the tensor slice1\.0\.bias"):
        LPIPS("alex", trunk=tmp_path / "some.pth")
    with pytest.raises(InputError, match=r"wanted pytorch_fid's weights in .*some\.pth"):
        InceptionFeatures(tmp_path / "some.pth")


def test_inception_features_are_the_activations_of_pytorch_fid(hub, tmp_path):
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
    np.testing.assert_allclose(np.concatenate(one._features), wanted, rtol=1e-4, atol=1e-6)


class ToyDetector(nn.Module):
    """What the I3D file does, with means in place of a network."""

    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool):
        assert resize
        assert return_features
        assert not rescale
        return torch.stack([x.mean(dim=[1, 2, 3, 4]), x[:, 0].mean(dim=[1, 2, 3])], dim=1)


def test_fvd_takes_videos_and_refuses_a_mean_over_an_area(tmp_path):
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
def test_the_squeezenet_distance_is_the_training_losss_for_each_picture():
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
