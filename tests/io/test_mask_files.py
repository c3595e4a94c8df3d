import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from stylecinegan import io
from stylecinegan.errors import InputError

# Left half still, right half moving.
HALVES = np.zeros((8, 12), np.uint8)
HALVES[:, 6:] = 255


def mask_of(tmp_path, picture):
    picture.save(tmp_path / "mask.png")
    return io.read_mask(tmp_path / "mask.png")


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "1", "P", "I;16"])
def test_every_mode_gives_the_same_mask(tmp_path, mode):
    picture = Image.fromarray(HALVES)
    if mode == "I;16":
        picture = Image.fromarray(HALVES.astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    mask = mask_of(tmp_path, picture)
    assert mask.dtype == torch.float32
    assert torch.equal(mask, torch.from_numpy(HALVES / 255).float()[None, None])


@pytest.mark.parametrize("colour", [0, 200, 255])
def test_alpha_is_the_mask_where_only_alpha_varies(tmp_path, colour):
    rgba = np.dstack([np.full((8, 12, 3), colour, np.uint8), HALVES])
    assert torch.equal(
        mask_of(tmp_path, Image.fromarray(rgba)), torch.from_numpy(HALVES / 255).float()[None, None]
    )


def test_white_paint_on_transparent_grey_moves_where_it_is_painted(tmp_path):
    colour = np.where(HALVES == 255, 255, 90).astype(np.uint8)
    rgba = np.dstack([colour, colour, colour, HALVES])
    assert mask_of(tmp_path, Image.fromarray(rgba))[0, 0, 0].tolist() == [0.0] * 6 + [1.0] * 6


def test_soft_values_are_kept(tmp_path):
    soft = np.arange(256, dtype=np.uint8).reshape(16, 16)
    mask = mask_of(tmp_path, Image.fromarray(soft))
    torch.testing.assert_close(mask[0, 0], torch.from_numpy(soft / 255).float())
    cv2.imwrite(str(tmp_path / "deep.png"), soft.astype(np.uint16) * 256 + 128)
    deep = io.read_mask(tmp_path / "deep.png")[0, 0]
    torch.testing.assert_close(deep, torch.from_numpy((soft * 256.0 + 128) / 65535).float())


def test_shrinking_averages_areas(tmp_path):
    columns = np.array([[0, 255, 255, 255, 0, 0]] * 2, np.uint8)
    Image.fromarray(columns).save(tmp_path / "mask.png")
    mask = io.read_mask(tmp_path / "mask.png", size=(1, 2))
    # A third of the left three columns is black, a third of the right three white.
    torch.testing.assert_close(mask, torch.tensor([[[[2 / 3, 1 / 3]]]]))


def test_growing_is_linear_and_axes_are_independent(tmp_path):
    Image.fromarray(np.array([[0, 255]] * 4, np.uint8)).save(tmp_path / "mask.png")
    mask = io.read_mask(tmp_path / "mask.png", size=(1, 4))
    torch.testing.assert_close(mask, torch.tensor([[[[0.0, 0.25, 0.75, 1.0]]]]))


def test_an_empty_mask_is_read(tmp_path):
    assert mask_of(tmp_path, Image.new("L", (5, 5))).sum() == 0


def test_a_written_mask_is_read_back(tmp_path):
    mask = torch.arange(256).view(1, 1, 16, 16) / 255
    io.write_mask(tmp_path / "new" / "mask.png", mask)
    assert Image.open(tmp_path / "new" / "mask.png").mode == "L"
    torch.testing.assert_close(io.read_mask(tmp_path / "new" / "mask.png"), mask)


def test_a_missing_mask_is_called_a_mask(tmp_path):
    with pytest.raises(InputError, match="wanted a mask, found no such file"):
        io.read_mask(tmp_path / "mask.png")
