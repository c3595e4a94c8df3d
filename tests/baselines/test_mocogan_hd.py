import pytest
import torch

from stylecinegan import checkpoints
from stylecinegan.baselines import FixedScene, MoCoGANHD
from stylecinegan.baselines.mocogan_hd.network import (
    ImageDiscriminator,
    TrajectoryGenerator,
    VideoDiscriminator,
)
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.metrics.pictures import RMSE
from tests.tiny_model import make_model


def make_trajectory(**settings):
    torch.manual_seed(0)
    return TrajectoryGenerator(8, 4, 3, **settings).eval()


def make_scene(num_frames=4, name="seed_00001", w_plus=None, side=64):
    photo = draw_landscape(side, side).image
    mask = torch.ones(1, 1, side, side)
    motion = torch.zeros(1, 2, side, side)
    return FixedScene(name, photo, mask, motion, num_frames, 2 * num_frames, w_plus)


@pytest.fixture
def model():
    model = make_model()
    model.generator.estimate_w_mean(500)
    return model


@pytest.fixture
def weights(tmp_path, model):
    trajectory = make_trajectory()
    trajectory.learn_directions(model.generator)
    # Saturated: every step has the largest length along all three components.
    trajectory.step.bias.data.fill_(50.0)
    checkpoints.save(tmp_path / "trajectory.safetensors", trajectory)
    return tmp_path / "trajectory.safetensors"


def test_saturated_coefficients_give_steps_of_the_step_size():
    trajectory = make_trajectory(step_size=0.5)
    trajectory.deviations.copy_(torch.tensor([4.0, 2.0, 1.0]))
    trajectory.step.bias.data.copy_(torch.tensor([50.0, -50.0, 50.0]))
    offsets, states = trajectory(torch.zeros(2, 8), torch.randn(2, 3, 8))
    assert states.shape == (2, 3, 8)
    # tanh(±50) = ±1, so each step is 0.5 (4, -2, 1) along the first three axes.
    step = torch.tensor([2.0, -1.0, 0.5, 0, 0, 0, 0, 0])
    expected = torch.stack([n * step for n in range(4)]).expand(2, 4, 8)
    torch.testing.assert_close(offsets, expected)


def test_a_trajectory_depends_on_its_initial_code_and_noise():
    trajectory = make_trajectory()
    torch.nn.init.normal_(trajectory.step.weight)
    noise = torch.randn(1, 5, 8)
    offsets = trajectory(torch.zeros(1, 8), noise)[0]
    assert torch.equal(offsets, trajectory(torch.zeros(1, 8), noise)[0])
    assert not torch.allclose(offsets, trajectory(torch.ones(1, 8), noise)[0])
    assert not torch.allclose(offsets, trajectory(torch.zeros(1, 8), noise + 1.0)[0])
    # A longer trajectory continues a shorter one.
    torch.testing.assert_close(trajectory(torch.zeros(1, 8), noise[:, :2])[0], offsets[:, :3])


def test_directions_are_the_principal_components_of_w(model):
    trajectory = make_trajectory()
    trajectory.learn_directions(model.generator)
    w = model.generator.mapping(torch.randn(4000, 8, generator=torch.Generator().manual_seed(3)))
    spread = (w @ trajectory.components.t()).std(dim=0)
    torch.testing.assert_close(spread, trajectory.deviations, atol=1e-3, rtol=0.1)
    assert spread.diff().max() < 0.05 * spread[0]  # the strongest first


def test_discriminators_classify_changes_and_embed_frames():
    torch.manual_seed(0)
    discriminator = VideoDiscriminator(4, 2, 2).eval()
    video = torch.randn(2, 1, 3, 16, 16).repeat(1, 5, 1, 1, 1)
    logits = discriminator(video)
    assert [x.shape[:2] for x in logits] == [(2, 1), (2, 1)]
    moved = video.clone()
    moved[:, 3] += 1.0
    assert not torch.allclose(logits[0], discriminator(moved)[0])
    verdict, description = ImageDiscriminator(16, 4, 8, 5).eval()(video[:, 0])
    assert verdict.shape == (2, 1)
    assert description.shape == (2, 5)


def test_the_video_of_a_sample_starts_with_it_and_drifts(model, weights):
    w_plus = model.generator.sample_w_plus(1)
    scene = make_scene(num_frames=4, w_plus=w_plus, side=256)
    frames = list(MoCoGANHD(weights)(model, scene))
    assert [frame.shape for frame in frames] == [(1, 3, 256, 256)] * 4
    torch.testing.assert_close(frames[0], model.sample(1), atol=1e-5, rtol=0)
    drift = [RMSE()(frame, frames[0]) for frame in frames]
    assert drift[0] == 0.0
    assert drift[1] < drift[2] < drift[3]


def test_the_video_of_a_photo_starts_with_its_inversion_at_its_size(model, weights):
    scene = make_scene(num_frames=2)
    frames = list(MoCoGANHD(weights)(model, scene))
    w_plus = model.invert(scene.photo).w_plus
    expected = torch.nn.functional.interpolate(
        model.generator(w_plus), (64, 64), mode="bilinear", antialias=True
    )
    torch.testing.assert_close(frames[0], expected.clamp(-1, 1))


def test_noise_depends_on_seed_and_name_only(model, tmp_path):
    trajectory = make_trajectory()
    trajectory.learn_directions(model.generator)
    torch.nn.init.normal_(trajectory.step.weight)
    path = tmp_path / "trajectory.safetensors"
    checkpoints.save(path, trajectory)
    w_plus = model.generator.sample_w_plus(1)

    def last(seed=0, name="a"):
        scene = make_scene(3, name, w_plus)
        return list(MoCoGANHD(path, seed=seed)(model, scene))[-1]

    assert torch.equal(last(), last())
    assert not torch.equal(last(), last(seed=1))
    assert not torch.equal(last(), last(name="b"))


def test_the_repr_depends_on_weights_and_seed(weights, tmp_path, model):
    other = make_trajectory()
    other.learn_directions(model.generator)
    checkpoints.save(tmp_path / "other.safetensors", other)
    methods = [
        MoCoGANHD(weights),
        MoCoGANHD(weights, seed=1),
        MoCoGANHD(tmp_path / "other.safetensors"),
    ]
    assert len({repr(method) for method in methods}) == 3
    assert repr(MoCoGANHD(weights)) == repr(methods[0])


def test_missing_weights_and_other_generators_are_refused(tmp_path, weights, model):
    with pytest.raises(InputError, match=r"weights of MoCoGAN-HD in .*none\.safetensors"):
        MoCoGANHD(tmp_path / "none.safetensors")
    model.generator.w_mean += 1.0
    with pytest.raises(InputError, match="trained over another generator"):
        MoCoGANHD(weights)(model, make_scene())
    with pytest.raises(
        InputError, match="was trained for a w of 16 numbers, found a generator of 8"
    ):
        TrajectoryGenerator(16, 4, 3).learn_directions(model.generator)
