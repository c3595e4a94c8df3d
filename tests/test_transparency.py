import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from stylecinegan import io
from stylecinegan.transparency import (
    add_alpha,
    lay_on_white,
    resize_transparent,
    split_opacity,
)


def test_alpha_is_split_off_put_back_and_laid_on_white(tmp_path):
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [0, 0, 0, 51]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    photo, opacity = split_opacity(io.read_image(tmp_path / "a.png", keep_alpha=True))
    assert opacity is not None
    torch.testing.assert_close(opacity, torch.tensor([[[[1.0, 0.0, 0.2]]]]))
    # What nobody sees is white; the colour of the third pixel is black, not the grey it looks.
    assert io.to_uint8(photo).tolist() == [[[200, 100, 0], [255] * 3, [0] * 3]]
    shown = next(lay_on_white([photo], [opacity]))
    torch.testing.assert_close(shown, io.read_image(tmp_path / "a.png"))
    stored = next(add_alpha([photo], [opacity]))
    assert io.to_uint8(stored)[0, :, 3].tolist() == [255, 0, 51]


def test_alpha_that_is_opaque_everywhere_is_dropped(tmp_path):
    Image.fromarray(np.full((3, 3, 4), 255, np.uint8)).save(tmp_path / "a.png")
    image = io.read_image(tmp_path / "a.png", keep_alpha=True)
    assert image.shape == (1, 3, 3, 3)
    assert split_opacity(image)[1] is None


@pytest.mark.parametrize("size", [(8, 8), (64, 64)])
def test_hidden_colours_do_not_bleed_into_a_resized_edge(size):
    photo = torch.full((1, 3, 16, 16), -0.5)
    opacity = torch.ones(1, 1, 16, 16)
    photo[..., 5:], opacity[..., 5:] = 1.0, 0.0

    def resize(picture):
        return F.interpolate(picture, size, mode="bilinear", antialias=True)

    resized, seen = resize_transparent(photo, opacity, resize)
    assert resized.shape[2:] == seen.shape[2:] == size
    assert 0.0 < seen.mean() < 0.5
    assert ((seen > 0.1) & (seen < 0.9)).any()
    assert (resized[:, :1][seen > 0.1] + 0.5).abs().max() < 0.01
    assert (resized[:, :1][seen == 0] == 1).all()
