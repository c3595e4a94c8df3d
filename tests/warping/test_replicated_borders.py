import pytest
import torch
import torch.nn.functional as F

from stylecinegan.errors import InputError
from stylecinegan.generator.layers import upsample
from stylecinegan.warping.displacement import integrate_motion, reflect
from stylecinegan.warping.frame_warp import FrameWarp
from stylecinegan.warping.photo_layer.pyramid import WarpedPyramid
from stylecinegan.warping.replicated_borders import compose_with_replicated_borders

BORDER = (0, 32)


def generator_levels(picture):
    """To-RGB outputs whose sums, enlarged as the generator does it, are a picture at each size."""
    images = [F.avg_pool2d(picture, 4), F.avg_pool2d(picture, 2), picture]
    levels = {10: images[0]}
    for layer, coarse, fine in ((12, *images[:2]), (14, *images[1:])):
        levels[layer] = fine - upsample(coarse)
    return levels


def as_published(levels, photo, mask):
    return WarpedPyramid(
        list(levels.values()), [None] * len(levels), photo - mask * photo, mask, edges_fade=True
    )


def frames(pyramid, size):
    motion = torch.zeros(1, 2, *size)
    motion[:, 0] = 1.7
    for t, pair in enumerate(integrate_motion(reflect(motion, BORDER), 12)):
        yield pyramid.render(FrameWarp(*pair, t / 12, BORDER))


def test_content_that_flows_into_a_flat_picture_stays_flat_and_brings_a_line_in_the_papers():
    flat = torch.full((1, 3, 64, 96), 0.5)
    mask = torch.ones(1, 1, 64, 96)
    levels = generator_levels(flat)
    for frame in frames(compose_with_replicated_borders(levels, flat, mask), (64, 96)):
        assert (frame - flat).abs().max() < 1e-5
    worst = max(
        float((frame - flat).abs().max())
        for frame in frames(as_published(levels, flat, mask), (64, 96))
    )
    assert worst > 0.1


def test_a_tint_of_the_outermost_pixels_does_not_flow_in():
    tinted = torch.full((1, 3, 64, 96), 0.5)
    tinted[..., 0] += 0.05
    mask = torch.ones(1, 1, 64, 96)
    flat = torch.full_like(tinted, 0.5)
    for frame in frames(compose_with_replicated_borders({14: tinted}, flat, mask), (64, 96)):
        assert (frame - flat).abs().max() < 1e-5


def test_frame_0_is_the_papers_but_for_its_outermost_pixels():
    torch.manual_seed(0)
    picture = F.interpolate(0.4 * torch.randn(1, 3, 8, 12), (64, 96), mode="bicubic")
    photo, mask = torch.zeros_like(picture), torch.rand(1, 1, 64, 96)
    levels = generator_levels(picture)
    ours = next(iter(frames(compose_with_replicated_borders(levels, photo, mask), (64, 96))))
    papers = next(iter(frames(as_published(levels, photo, mask), (64, 96))))
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(ours[inner], papers[inner], rtol=0.0, atol=1e-5)


def test_without_warped_layers_the_finished_picture_is_one_level():
    picture = torch.rand(1, 3, 64, 96)
    pyramid = compose_with_replicated_borders(
        generator_levels(picture), picture, torch.ones(1, 1, 64, 96), []
    )
    assert len(pyramid.levels) == 1
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(pyramid.levels[0][inner], picture[inner])


def test_a_picture_smaller_than_the_photo_is_enlarged():
    picture, photo = torch.rand(1, 3, 64, 96), torch.rand(1, 3, 128, 192)
    pyramid = compose_with_replicated_borders(
        generator_levels(picture), photo, torch.ones(1, 1, 128, 192)
    )
    assert pyramid.levels[-1].shape == photo.shape


def test_warping_only_some_layers_is_refused():
    picture = torch.rand(1, 3, 64, 96)
    with pytest.raises(InputError, match=r"wants warp_layers \[10, 12, 14\] or none, got \[10\]"):
        compose_with_replicated_borders(
            generator_levels(picture), picture, torch.ones(1, 1, 64, 96), [10]
        )
