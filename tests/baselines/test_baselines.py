import numpy as np
import pytest
import torch

from stylecinegan import io
from stylecinegan.baselines import (
    LaplacianPyramid,
    Ours,
    RecurrentWarping,
    WrittenFrames,
)
from stylecinegan.errors import InputError
from stylecinegan.warping.settings import Warping
from tests.baselines.scenes import make_scene
from tests.tiny_model import make_model


def test_recurrent_warping_shifts_each_frame_and_repeats_the_border():
    scene = make_scene(num_frames=4)
    frames = list(RecurrentWarping()(make_model(), scene))
    assert len(frames) == 4
    assert torch.equal(frames[0], scene.photo)
    # After three frames of one pixel each, content is shifted by 3 pixels.
    torch.testing.assert_close(frames[3][..., 3:], scene.photo[..., :-3], atol=1e-4, rtol=0)
    edge = scene.photo[..., :1].expand(-1, -1, -1, 3)
    torch.testing.assert_close(frames[3][..., :3], edge, atol=1e-4, rtol=0)


def test_recurrent_warping_can_be_restricted_to_the_mask():
    scene = make_scene()
    frames = list(RecurrentWarping(use_mask=True)(make_model(), scene))
    torch.testing.assert_close(frames[2][:, :, 33:], scene.photo[:, :, 33:], atol=1e-4, rtol=0)


def test_the_laplacian_pyramid_starts_at_the_photo_and_keeps_static_regions():
    scene = make_scene()
    frames = list(LaplacianPyramid()(make_model(), scene))
    assert len(frames) == 3
    torch.testing.assert_close(frames[0], scene.photo, atol=1e-5, rtol=0)
    assert torch.equal(frames[2][:, :, 32:], scene.photo[:, :, 32:].clamp(-1, 1))
    assert (frames[2] - scene.photo).abs().mean() > 0.01


@pytest.mark.parametrize(
    "changes", [{}, {"direction": "backward"}, {"warp_layers": ()}, {"warp_layers": (10,)}]
)
def test_ablations_give_different_frames_and_keep_static_regions(changes):
    model, scene = make_model(), make_scene()
    # Diverging motion: for a plain shift, backward and forward warping give the same frames.
    scene.motion[:, 0] *= torch.linspace(0.0, 6.0, 96)
    frames = list(Ours(Warping.of_the_paper(**changes))(model, scene))
    assert len(frames) == 3
    assert torch.equal(frames[2][:, :, 32:], scene.photo[:, :, 32:])
    if changes:
        full = list(Ours()(model, scene))
        assert not torch.allclose(full[2], frames[2], atol=1e-3)


def test_without_the_mask_static_regions_move():
    model, scene = make_model(), make_scene()
    frames = list(Ours(use_mask=False)(model, scene))
    assert not torch.allclose(frames[2][:, :, 40:], frames[1][:, :, 40:], atol=1e-3)


def test_the_repr_of_a_method_contains_its_settings():
    methods = [Ours(), Ours(use_mask=False), Ours(Warping()), WrittenFrames("a")]
    assert len({repr(method) for method in methods}) == 4


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_written_frames_are_found_by_the_clip_s_name(tmp_path, kind):
    scene = make_scene()
    if kind == "folder":
        for number in range(4):
            image = torch.full_like(scene.photo, -1.0 + number / 2)
            io.write_image(tmp_path / f"clip/{number:03d}.png", image)
    else:
        images = (torch.full_like(scene.photo, -1.0 + number / 2) for number in range(4))
        io.write_video(tmp_path / "clip.mp4", images, fps=30)
    frames = list(WrittenFrames(tmp_path)(make_model(), scene))
    assert [frame.shape for frame in frames] == [scene.photo.shape] * 3
    levels = [float(frame.mean()) for frame in frames]
    np.testing.assert_allclose(levels, [-1.0, -0.5, 0.0], atol=0.03)


def test_missing_or_too_few_written_frames_are_refused(tmp_path):
    scene = make_scene()
    with pytest.raises(InputError, match="wanted a folder or a video named clip in"):
        list(WrittenFrames(tmp_path)(make_model(), scene))
    io.write_image(tmp_path / "clip/0.png", scene.photo)
    with pytest.raises(InputError, match=r"wanted 3 frames in .*, found 1"):
        list(WrittenFrames(tmp_path)(make_model(), scene))
