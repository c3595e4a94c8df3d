from pathlib import Path

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


def read(tmp_path, caplog, picture, name="mask.png"):
    """The mask of :data:`HALVES` is expected, and one line that says how it was understood."""
    picture.save(tmp_path / name)
    with caplog.at_level("INFO", "stylecinegan"):
        mask = io.read_mask(tmp_path / name)[0, 0].numpy()
    assert mask.shape == HALVES.shape
    assert len(caplog.records) == 1
    assert "\n" not in caplog.text.strip()
    assert name in caplog.text
    return mask


def palette_picture(indices, colours):
    picture = Image.fromarray(indices.astype(np.uint8), "P")
    picture.putpalette([value for colour in colours for value in colour])
    return picture


@pytest.mark.parametrize("values", [(0, 1), (0, 128), (1, 2), (10, 200)])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_of_two_values_the_larger_moves(tmp_path, caplog, values, depth):
    picture = Image.fromarray(np.where(HALVES, values[1], values[0]).astype(depth))
    assert (read(tmp_path, caplog, picture) == HALVES / 255).all()
    assert f"grey value {values[1]} moves, {values[0]} stays" in caplog.text


def test_white_on_black_is_read_without_a_note(tmp_path, caplog):
    with caplog.at_level("INFO", "stylecinegan"):
        mask_of(tmp_path, Image.fromarray(HALVES))
        mask_of(tmp_path, Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)))
    assert not caplog.records


# VOC's first colours, our labels', and a data set's without black.
PALETTES = {
    "voc": [(0, 0, 0), (128, 0, 0), (0, 128, 0)],
    "ours": [(230, 159, 0), (86, 180, 233), (0, 114, 178)],
    "other": [(120, 120, 120), (180, 120, 120), (6, 230, 230)],
}


@pytest.mark.parametrize("name", PALETTES)
def test_of_a_palette_of_classes_the_first_stays(tmp_path, caplog, name):
    classes = HALVES // 255
    classes[:4] *= 2
    mask = read(tmp_path, caplog, palette_picture(classes, PALETTES[name]))
    assert (mask == HALVES / 255).all()


def test_a_palette_that_only_stores_black_and_white_is_read_by_its_colours(tmp_path):
    white_first = palette_picture(1 - HALVES // 255, [(255, 255, 255), (0, 0, 0)])
    assert (mask_of(tmp_path, white_first)[0, 0].numpy() == HALVES / 255).all()


def test_of_grey_class_numbers_all_but_zero_move(tmp_path, caplog):
    classes = HALVES // 255
    classes[:4] *= 2
    assert (read(tmp_path, caplog, Image.fromarray(classes)) == HALVES / 255).all()
    assert "1, 2 move, 0 stays" in caplog.text
    caplog.clear()
    classes[:, 5] = 255  # undefined pixels at the edge
    assert (read(tmp_path, caplog, Image.fromarray(classes)) == HALVES / 255).all()


def test_8_bit_values_in_a_16_bit_file_are_8_bit_values(tmp_path, caplog):
    soft = np.arange(96).reshape(8, 12) * 255 // 95
    mask = read(tmp_path, caplog, Image.fromarray(soft.astype(np.uint16)))
    np.testing.assert_allclose(mask, soft / 255, atol=1e-6)


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (30, 60, 200), (128, 0, 0)])
@pytest.mark.parametrize("alpha", [False, True])
def test_one_colour_on_black_or_on_transparency_moves(tmp_path, caplog, colour, alpha):
    painted = np.zeros((8, 12, 3), np.uint8)
    painted[:, 6:] = colour
    if alpha:
        painted = np.dstack([painted, HALVES])
        painted[0, 6:, :3] = 0  # a black stroke on it stays
    mask = read(tmp_path, caplog, Image.fromarray(painted))
    expected = HALVES / 255
    expected[0] *= not alpha
    assert (mask == expected).all()
    assert "moves" in caplog.text


def test_a_brush_on_transparency_moves_as_much_as_it_is_opaque(tmp_path):
    alpha = np.arange(96, dtype=np.uint8).reshape(8, 12) * 2
    red = np.zeros((8, 12, 3), np.uint8)
    red[alpha > 0] = 255, 0, 0
    mask = mask_of(tmp_path, Image.fromarray(np.dstack([red, alpha])))
    np.testing.assert_allclose(mask[0, 0], alpha / 255, atol=1e-6)


def test_the_soft_edge_of_a_brush_stays_soft(tmp_path):
    ramp = np.linspace(0, 1, 64)[None].repeat(8, 0)
    red = np.rint(ramp[..., None] * (220, 20, 20)).astype(np.uint8)
    red[:, 50:] = 220, 20, 20
    mask = mask_of(tmp_path, Image.fromarray(red))[0, 0].numpy()
    np.testing.assert_allclose(mask[:, :50], ramp[:, :50], atol=0.02)
    assert (mask[:, 50:] > 0.99).all()


def test_jpeg_of_a_red_brush_is_still_a_red_brush(tmp_path):
    red = np.zeros((64, 96, 3), np.uint8)
    red[:, 48:] = 255, 0, 0
    Image.fromarray(red).save(tmp_path / "mask.jpg", quality=75)
    mask = io.read_mask(tmp_path / "mask.jpg")[0, 0]
    assert mask[:, :44].max() < 0.1
    assert mask[:, 52:].min() > 0.9


@pytest.mark.parametrize("values", [(0, 127), (55, 255), (90, 160)])
def test_two_greys_that_jpeg_blurred_are_still_two_values(tmp_path, caplog, values):
    rows, columns = np.mgrid[:128, :192]
    inside = np.hypot(rows - 60, columns - 90) < 40
    picture = Image.fromarray(np.where(inside, values[1], values[0]).astype(np.uint8))
    picture.save(tmp_path / "mask.jpg", quality=75)
    with caplog.at_level("INFO", "stylecinegan"):
        mask = io.read_mask(tmp_path / "mask.jpg")[0, 0].numpy()
    assert abs(mask - inside).mean() < 0.02
    assert np.median(mask[inside]) == 1
    assert np.median(mask[~inside]) == 0
    assert f"grey value {values[1]} moves, {values[0]} stays" in caplog.text


ROWS, COLUMNS = np.mgrid[:128, :192]
DISC = np.hypot(ROWS - 60, COLUMNS - 90)
NOISE = np.random.default_rng(0).random((128, 192))
SOFT = {
    "ramp": 40 + COLUMNS * 160 // 192,
    "feathered": (200 * (40 - DISC / 2)).clip(0, 200 * 12) / 12,
    "three levels": np.where(DISC < 12, 255, np.where(COLUMNS > 90, 128, 0)),
    "dithered": (NOISE * 192 < COLUMNS) * 255,
    "anti-aliased": (40 - DISC).clip(0, 1) * 255,
}


@pytest.mark.parametrize("name", SOFT)
def test_soft_and_dithered_masks_keep_their_values(tmp_path, caplog, name):
    values = SOFT[name].astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "mask.png")
    with caplog.at_level("INFO", "stylecinegan"):
        mask = io.read_mask(tmp_path / "mask.png")[0, 0]
    np.testing.assert_allclose(mask, values / 255, atol=1e-6)
    assert not caplog.records


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_colour_painted_over_a_grey_photo_moves(tmp_path, caplog, suffix):
    grey = np.add.outer(np.arange(128), np.arange(192))[..., None].repeat(3, 2) * 230 // 320
    picture = grey.astype(np.uint8)
    picture[20:80, 30:150] = 0, 0, 255
    Image.fromarray(picture).save(tmp_path / f"mask{suffix}")
    with caplog.at_level("INFO", "stylecinegan"):
        mask = io.read_mask(tmp_path / f"mask{suffix}")[0, 0]
    expected = torch.zeros(128, 192)
    expected[20:80, 30:150] = 1
    assert (mask - expected).abs().mean() < 0.02
    assert "moves, grey stays" in caplog.text


def test_the_colours_of_vocs_classes_move_without_a_palette_and_its_borders_do_not(
    tmp_path, caplog
):
    picture = np.zeros((8, 12, 3), np.uint8)
    picture[:4, 6:] = 128, 0, 0
    picture[4:, 6:] = 0, 128, 0
    picture[:, 5] = 224, 224, 192
    assert (read(tmp_path, caplog, Image.fromarray(picture)) == HALVES / 255).all()


def halves_of(left, right):
    return np.where(HALVES[..., None] > 0, np.uint8(right), np.uint8(left))


def draw_grey_photo():
    """Smooth hills with the grain of leaves and waves."""
    hills = 120 + 60 * np.sin(COLUMNS / 25) * np.cos(ROWS / 20)
    return (hills + 40 * (NOISE - 0.5)).astype(np.uint8)


UNCLEAR = {
    "grey photo.png": (draw_grey_photo(), "the texture of a photo"),
    "dark.png": (np.arange(96).reshape(8, 12).astype(np.uint8), "grey values from 0 to 95 of 255"),
    "uniform.png": (np.full((8, 12), 7, np.uint8), "the grey value 7 everywhere"),
    "stop and go.png": (halves_of((255, 0, 0), (0, 255, 0)), "#00FF00 50.0 %, #FF0000 50.0 %"),
    "on white.png": (halves_of((255, 255, 255), (255, 0, 0)), "#FF0000 50.0 %, #FFFFFF 50.0 %"),
    "photo.png": (
        np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8),
        "96 colours, most often",
    ),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_an_ambiguous_mask_is_refused_with_its_file_and_values(tmp_path, name):
    pixels, found = UNCLEAR[name]
    Image.fromarray(pixels).save(tmp_path / name)
    with pytest.raises(InputError) as caught:
        io.read_mask(tmp_path / name)
    message = str(caught.value)
    assert name in message
    assert found in message
    assert "wanted white (moves) on black (stays)" in message
    assert "\n" not in message


REPORTS = Path(__file__).parents[3] / "shared/data/reports"


@pytest.mark.skipif(not REPORTS.exists(), reason="needs ../shared/data/reports")
def test_masks_from_bug_reports_are_the_same_mask():
    names = ("mask_01", "mask_16bit_01", "mask_red", "mask_voc_palette")
    first, *others = (io.read_mask(REPORTS / f"{name}.png") for name in names)
    assert first.unique().tolist() == [0, 1]
    assert 0.3 < first.mean() < 0.4
    assert all(torch.equal(first, other) for other in others)
