from dataclasses import replace

import pytest
import torch

from stylecinegan import StyleCineGAN, checkpoints
from stylecinegan.baselines import EMF, Text2Cinemagraph
from stylecinegan.baselines.emf.network import SplattingNetwork, splat_symmetrically
from stylecinegan.baselines.text2cinemagraph import describe_direction
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.errors import InputError
from stylecinegan.motion.generator import MotionGenerator
from stylecinegan.warping.joint_splatting import joint_splat
from tests.baselines.scenes import make_scene
from tests.tiny_model import make_model


def make_network():
    """A network whose learned features and Z are zero: it splats the picture only."""
    torch.manual_seed(0)
    network = SplattingNetwork(6, (4, 6), 1).eval().requires_grad_(False)
    for parameter in network.encoder[-1].parameters():
        parameter.zero_()
    return network


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("emf") / "emf.safetensors"
    checkpoints.save(path, make_network())
    return path


def make_emf_scene(speed=1.0):
    """A scene whose size is no multiple of 32, with motion inside the mask only."""
    scene = make_scene(4, speed, size=(50, 70))
    return replace(scene, motion=scene.motion * scene.mask)


def test_both_ends_are_weighted_by_time_and_by_z():
    # One row: the 6 of frame 0 goes a pixel to the right, the 3 of frame N a pixel to the left.
    first, last = torch.tensor([[[[6.0, 0, 0]]]]), torch.tensor([[[[0.0, 0, 3.0]]]])
    first_weight, last_weight = torch.tensor([[[[2.0, 0, 0]]]]), torch.tensor([[[[0.0, 0, 1.0]]]])
    right = torch.zeros(1, 2, 1, 3)
    right[:, 0] = 1.0
    blended = splat_symmetrically(
        (first, first_weight), (last, last_weight), right, -right, torch.tensor([0.25])
    )
    # (0.75 * 2 * 6 + 0.25 * 1 * 3) / (0.75 * 2 + 0.25 * 1); nothing comes to the others.
    assert blended.flatten().tolist() == pytest.approx([0.0, 9.75 / 1.75, 0.0])


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_symmetric_splatting_of_one_picture_is_joint_splatting(backend):
    torch.manual_seed(0)
    feature, weight = torch.randn(1, 4, 9, 7), torch.rand(1, 1, 9, 7) + 0.1
    from_start, from_end = 2.0 * torch.randn(2, 1, 2, 9, 7)
    expected, _ = joint_splat(feature, weight, from_start, from_end, 0.3, backend="reference")
    pair = (feature, weight)
    progress = torch.tensor([0.3])
    actual = splat_symmetrically(pair, pair, from_start, from_end, progress, backend=backend)
    torch.testing.assert_close(actual, expected)


def test_each_sample_of_a_batch_has_its_own_time():
    feature = torch.stack([torch.ones(1, 2, 2), torch.ones(1, 2, 2)])
    weight, still = torch.ones(2, 1, 2, 2), torch.zeros(2, 2, 2, 2)
    ends = (feature, weight), (3.0 * feature, weight)
    blended = splat_symmetrically(*ends, still, still, torch.tensor([0.0, 0.5]))
    assert blended[:, 0, 0, 0].tolist() == pytest.approx([1.0, 2.0])


def test_the_decoder_is_initially_the_identity_for_the_picture():
    network, photo = make_network(), draw_landscape(32, 32).image
    features, weight = network.encode(photo)
    assert features.shape == (1, 6, 32, 32)
    assert weight.shape == (1, 1, 32, 32)
    assert float(weight.min()) > 0.0
    torch.testing.assert_close(network.decode(features), photo)


def test_frames_have_the_photo_s_size_and_blend_both_ends(weights):
    scene = make_emf_scene()
    frames = list(EMF(weights)(make_model(), scene))
    assert [frame.shape for frame in frames] == [scene.photo.shape] * 4
    torch.testing.assert_close(frames[0], scene.photo, atol=1e-4, rtol=0)
    # One pixel per frame: three steps from frame 0 and five back from frame 8.
    expected = (5 / 8) * scene.photo[..., 32] + (3 / 8) * scene.photo[..., 40]
    torch.testing.assert_close(frames[3][:, :, :24, 35], expected[:, :, :24], atol=1e-4, rtol=0)
    torch.testing.assert_close(frames[3][:, :, 25:], scene.photo[:, :, 25:], atol=1e-4, rtol=0)


def test_the_loop_closes(weights):
    scene = replace(make_emf_scene(), num_frames=8, period=8)
    frames = list(EMF(weights)(make_model(), scene))
    steps = [
        float((b - a).abs().mean()) for a, b in zip(frames, [*frames[1:], frames[0]], strict=True)
    ]
    assert steps[-1] < 2.0 * max(steps[:-1])


def test_inflow_at_the_borders_leaves_no_holes(weights):
    scene = replace(make_emf_scene(), num_frames=6)
    scene.photo[:], scene.motion[:, 0], scene.motion[:, 1] = 0.5, 4.0, -3.0
    frames = list(EMF(weights)(make_model(), scene))
    assert len(frames) == 6
    for frame in frames:
        torch.testing.assert_close(frame, scene.photo, atol=1e-4, rtol=0)


def test_missing_and_wrong_weights_are_refused(tmp_path, weights):
    with pytest.raises(InputError, match=r"nowhere\.safetensors"):
        EMF(tmp_path / "nowhere.safetensors")
    checkpoints.save(tmp_path / "motion.safetensors", MotionGenerator(3, 4, 1, 1))
    with pytest.raises(InputError, match="must hold a SplattingNetwork"):
        EMF(tmp_path / "motion.safetensors")


def test_the_repr_depends_on_weights_and_text(tmp_path, weights):
    torch.manual_seed(1)
    checkpoints.save(tmp_path / "other.safetensors", SplattingNetwork(6, (4, 6), 1))
    assert repr(EMF(weights)) == repr(EMF(weights))
    assert repr(EMF(weights)) != repr(EMF(tmp_path / "other.safetensors"))
    texts = (None, "everything flows left")
    assert len({repr(Text2Cinemagraph(text, weights)) for text in texts}) == 2


class Flowing(StyleCineGAN):
    """A model that predicts a motion of 3 pixels downwards for every photo."""

    def __init__(self):
        model = make_model()
        super().__init__(model.generator, model.encoder)

    def predict_motion(self, image, mask, probabilities=None):
        motion = torch.zeros_like(image[:, :2])
        motion[:, 1] = 3.0
        return motion * mask


class Recording(EMF):
    def animate(self, scene, motion):
        self.motion = motion
        return iter(())


@pytest.mark.parametrize(
    ("text", "direction"), [("everything flows up-left", (-1.0, -1.0)), (None, (1.0, 0.0))]
)
def test_text_sets_the_direction_of_the_predicted_motion_and_the_scene_its_speed(
    weights, text, direction
):
    method = Text2Cinemagraph(text, weights)
    method.renderer = Recording(weights)
    method(Flowing(), make_emf_scene(speed=0.5))
    motion = method.renderer.motion
    expected = 0.5 * torch.tensor(direction) / torch.tensor(direction).norm()
    torch.testing.assert_close(motion[0, :, 10, 30], expected, atol=1e-4, rtol=0)
    assert motion[:, :, 25:].abs().max() == 0.0


def test_text_about_an_unknown_region_is_refused(weights):
    with pytest.raises(InputError, match="text refers to the water"):
        Text2Cinemagraph("water flows left", weights)(Flowing(), make_emf_scene())


def test_a_model_without_a_motion_generator_is_refused(weights):
    with pytest.raises(InputError, match=r"no motion\.safetensors"):
        Text2Cinemagraph(None, weights)(make_model(), make_emf_scene())


def test_motion_is_described_by_the_nearest_of_eight_directions():
    motion = torch.zeros(1, 2, 4, 4)
    motion[:, 1] = -1.0
    assert describe_direction(motion) == "everything flows up"
    motion[:, 0] = -0.8
    assert describe_direction(motion) == "everything flows up-left"
