import logging
import os
import sys
import zipfile
from io import BytesIO

import lmdb
import numpy as np
import pytest
import torch
from PIL import Image

from stylecinegan.data.batches import Batches
from stylecinegan.data.landscapes import Landscapes
from stylecinegan.errors import InputError


def draw(path, size=(40, 30), *, seed=0, **options):
    """Writes a picture of noise, whose every crop is another; size is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return pixels


def draw_set(folder, count=6):
    for number in range(count):
        draw(folder / f"{number:07d}.png", seed=number)
    return folder


def samples(dataset, count=20):
    return torch.stack([dataset[counter]["image"] for counter in range(count)])


def first_batches(dataset, count=5, **options):
    batches = iter(Batches(dataset, **{"batch_size": 4, **options}))
    images = [next(batches)["image"] for _ in range(count)]
    batches.close()
    return torch.cat(images)


def test_a_sample_is_a_crop_of_a_photo_in_bytes(tmp_path):
    pixels = draw(tmp_path / "a.png", (40, 30))
    image = Landscapes(tmp_path, crop=30, flip=False)[3]["image"]
    assert image.dtype == torch.uint8
    windows = [pixels[:, left : left + 30] for left in range(11)]
    matches = [np.array_equal(window, image.numpy().transpose(1, 2, 0)) for window in windows]
    assert sum(matches) == 1


def test_half_of_the_crops_are_mirrored(tmp_path):
    pixels = draw(tmp_path / "a.png", (16, 16))
    images = samples(Landscapes(tmp_path, crop=16), 100).numpy().transpose(0, 2, 3, 1)
    mirrored = sum(np.array_equal(image, pixels[:, ::-1]) for image in images)
    straight = sum(np.array_equal(image, pixels) for image in images)
    assert mirrored + straight == 100
    assert 35 <= mirrored <= 65  # three standard deviations of 100 tosses are 15


def test_the_rescaling_keeps_to_its_range(tmp_path):
    # A ramp of one grey level a pixel: the step between neighbours is the pixels that they span.
    ramp = np.broadcast_to(np.arange(128, dtype=np.uint8)[None, :, None], (128, 128, 3))
    Image.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / "ramp.png")

    def spans(**options):
        images = samples(Landscapes(tmp_path, flip=False, **options), 40).float()
        return (images[:, 0, 8, -4] - images[:, 0, 8, 4]) / (images.shape[-1] - 8)

    spanned = spans(crop=32, scale_range=(1.0, 2.0))  # 128 / (32 * scale): between 4 and 2
    assert 1.9 < spanned.min() < 2.4
    assert 3.6 < spanned.max() < 4.1


def test_a_photo_smaller_than_the_crop_is_enlarged(tmp_path):
    draw(tmp_path / "small.png", (20, 12))
    assert samples(Landscapes(tmp_path, crop=32), 4).shape == (4, 3, 32, 32)


def test_samples_depend_on_seed_and_counter_alone(tmp_path):
    draw_set(tmp_path)
    options = {"crop": 16, "scale_range": (1.0, 1.8)}
    expected = samples(Landscapes(tmp_path, **options))
    dataset = Landscapes(tmp_path, **options)
    backwards = torch.stack([dataset[counter]["image"] for counter in reversed(range(20))])
    assert torch.equal(backwards.flip(0), expected)
    assert not torch.equal(samples(Landscapes(tmp_path, seed=1, **options)), expected)


def test_cached_photos_are_the_same_even_after_their_files_are_deleted(tmp_path):
    draw_set(tmp_path)
    cached = Landscapes(tmp_path, crop=16, cache=True)
    expected = samples(Landscapes(tmp_path, crop=16, cache=False))
    assert torch.equal(samples(cached), expected)
    for path in tmp_path.iterdir():
        path.unlink()
    assert torch.equal(samples(cached), expected)


def test_workers_share_the_cache_of_decoded_photos(tmp_path):
    draw_set(tmp_path)
    dataset = Landscapes(tmp_path, crop=16)
    expected = first_batches(dataset, num_workers=2)
    for path in tmp_path.iterdir():
        path.unlink()
    assert torch.equal(first_batches(dataset, num_workers=0), expected)


def test_batches_do_not_depend_on_the_number_of_workers(tmp_path):
    draw_set(tmp_path)
    alone, shared = (
        first_batches(Landscapes(tmp_path, crop=16), num_workers=number) for number in (0, 2)
    )
    assert torch.equal(alone, shared)


def test_black_is_minus_one_and_white_is_one(tmp_path):
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[:8] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = first_batches(Landscapes(tmp_path, crop=16), 1)
    assert image.dtype == torch.float32
    assert image[:, :, :8].unique().tolist() == [1.0]
    assert image[:, :, 8:].unique().tolist() == [-1.0]


def test_two_processes_get_together_the_batches_of_one(tmp_path):
    draw_set(tmp_path)
    whole = first_batches(Landscapes(tmp_path, crop=16)).unflatten(0, (5, 4))
    halves = [
        first_batches(Landscapes(tmp_path, crop=16), rank=rank, world_size=2).unflatten(0, (5, 2))
        for rank in (0, 1)
    ]
    assert torch.equal(torch.cat(halves, dim=1), whole)


def test_batches_resume_after_the_last_one_handed_out(tmp_path):
    draw_set(tmp_path)
    expected = first_batches(Landscapes(tmp_path, crop=16), 5)
    batches = Batches(Landscapes(tmp_path, crop=16), batch_size=4, num_workers=1)
    iterator = iter(batches)
    next(iterator)
    next(iterator)  # the worker has read ahead by now
    state = batches.state_dict()
    iterator.close()
    resumed = Batches(Landscapes(tmp_path, crop=16), batch_size=4)
    resumed.load_state_dict(state)
    assert torch.equal(next(iter(resumed))["image"], expected[8:12])


def write_lmdb(path, pictures, resolutions=(16, 32)):
    """As rosinality's prepare_data.py does, JPEG of every resolution under its number."""
    with lmdb.open(str(path), map_size=2**24) as database, database.begin(write=True) as changes:
        for number, picture in enumerate(pictures):
            for resolution in resolutions:
                stream = BytesIO()
                picture.resize((resolution, resolution)).save(stream, "PNG")
                changes.put(f"{resolution}-{number:05d}".encode(), stream.getvalue())
        changes.put(b"length", str(len(pictures)).encode())


def test_a_database_of_another_stylegan2_is_read_at_its_largest_resolution(tmp_path):
    pictures = [
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8))
        for number in range(5)
    ]
    write_lmdb(tmp_path / "lhq_lmdb", pictures)
    data = Landscapes(tmp_path / "lhq_lmdb", crop=32, flip=False)
    assert data.names == [f"32-{number:05d}" for number in range(5)]
    in_workers = first_batches(data, num_workers=2)  # first, since they share what is decoded
    shown = {data[counter]["image"].numpy().tobytes() for counter in range(20)}
    assert shown == {np.asarray(picture).transpose(2, 0, 1).tobytes() for picture in pictures}
    alone = Landscapes(tmp_path / "lhq_lmdb", crop=32, flip=False, cache=False)
    assert torch.equal(in_workers, first_batches(alone))


def test_a_file_that_is_no_lmdb_database_is_refused(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"nothing" * 1000)
    with pytest.raises(InputError, match="no database of LMDB"):
        Landscapes(tmp_path)


def test_without_its_package_a_database_is_refused_with_what_to_install(tmp_path, monkeypatch):
    write_lmdb(tmp_path, [Image.new("RGB", (8, 8))])
    monkeypatch.setitem(sys.modules, "lmdb", None)  # makes importing it fail
    with pytest.raises(InputError, match=r"LMDB: pip install 'stylecinegan\[train\]'"):
        Landscapes(tmp_path)


def test_nested_folders_in_a_zip_and_pictures_of_every_kind_are_read(tmp_path):
    grey = np.full((24, 24), 90, np.uint8)
    clear = np.dstack([grey, grey, grey, np.zeros_like(grey)])
    half = np.dstack([grey, np.full_like(grey, 255)])
    kinds = {
        "grey.png": (Image.fromarray(grey), 90),
        "deep.png": (Image.fromarray(grey.astype(np.uint16) * 257), 90),
        "rgba.png": (Image.fromarray(clear), 255),
        "la.png": (Image.fromarray(half), 90),
        "palette.png": (Image.fromarray(grey).convert("P"), 90),
        "cmyk.tif": (Image.fromarray(grey).convert("RGB").convert("CMYK"), 90),
    }
    with zipfile.ZipFile(tmp_path / "lhq.zip", "w") as archive:
        for number, (name, (picture, _)) in enumerate(kinds.items()):
            picture.save(tmp_path / name)
            archive.write(tmp_path / name, f"lhq_1024/{number * 10000:05d}/{name}")
    data = Landscapes(tmp_path / "lhq.zip", crop=24)
    values = [value for _, value in kinds.values()]
    assert [int(data.folder.read(name)[3, 3, 0]) for name in data.folder.names] == values
    assert samples(data).shape == (20, 3, 24, 24)
    assert data.broken.names() == []


def test_a_folder_of_zip_files_says_so(tmp_path):
    for part in range(3):
        zipfile.ZipFile(tmp_path / f"lhq_{part}.zip", "w").close()
    with pytest.raises(InputError, match="found only 3 zip files: name one of them"):
        Landscapes(tmp_path)


def test_a_zip_file_equals_the_folder(tmp_path):
    folder = draw_set(tmp_path / "photos")
    (folder / "notes.txt").write_text("not a picture")
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.iterdir(), reverse=True):
            file.write(path, f"photos/{path.name}")
        file.writestr("__MACOSX/photos/._0000000.png", b"junk")
    from_folder = first_batches(Landscapes(folder, crop=16, cache=False), num_workers=2)
    from_zip = first_batches(Landscapes(archive, crop=16, cache=False), num_workers=2)
    assert torch.equal(from_zip, from_folder)


def test_the_sub_folders_of_lhq_are_read(tmp_path):
    for number in (7, 4999, 5000, 10000):
        draw(tmp_path / f"{number // 5000 * 5000:05d}" / f"{number:07d}.png", seed=number)
    names = ["00000/0000007.png", "00000/0004999.png", "05000/0005000.png", "10000/0010000.png"]
    assert Landscapes(tmp_path).names == names


def test_grey_transparent_palette_and_rotated_photos_are_read(tmp_path):
    pixels = draw(tmp_path / "rgb.png", (16, 16))
    picture = Image.fromarray(pixels)
    for mode in ("L", "LA", "RGBA", "P"):
        picture.convert(mode).save(tmp_path / f"{mode}.png")
    picture.convert("CMYK").save(tmp_path / "cmyk.jpg")
    photos = Landscapes(tmp_path, crop=16)
    assert samples(photos, 12).shape == (12, 3, 16, 16)
    grey = np.asarray(picture.convert("L"))
    for name in ("L.png", "LA.png"):
        assert np.array_equal(np.asarray(photos.folder.read(name)), np.stack([grey] * 3, axis=2))
    assert np.array_equal(np.asarray(photos.folder.read("RGBA.png")), pixels)
    palette = np.asarray(picture.convert("P").convert("RGB"))
    assert np.array_equal(np.asarray(photos.folder.read("P.png")), palette)
    upright = tmp_path / "upright"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    original = draw(upright / "turned.png", (24, 16), exif=exif)
    dataset = Landscapes(upright, crop=16)
    turned = np.asarray(dataset.folder.read("turned.png"))
    assert np.array_equal(turned, np.rot90(original, -1))


def test_held_out_photos_are_in_the_test_split_only(tmp_path):
    folder = draw_set(tmp_path / "photos", 5)
    draw(folder / "b.c.png")
    held_out = tmp_path / "held_out.txt"
    held_out.write_text("0000001\n\n0000003.jpg\nb.c\nnot-there\n")
    train = Landscapes(folder, held_out=held_out)
    test = Landscapes(folder, held_out=held_out, split="test")
    assert train.names == ["0000000.png", "0000002.png", "0000004.png"]
    assert test.names == ["0000001.png", "0000003.png", "b.c.png"]


def test_only_selected_photos_that_are_not_held_out_are_read(tmp_path):
    folder = draw_set(tmp_path / "photos", 5)
    (tmp_path / "select.txt").write_text("0000001.png\n0000003.png\n")
    (tmp_path / "held_out.txt").write_text("0000003\n")
    dataset = Landscapes(folder, select=tmp_path / "select.txt", held_out=tmp_path / "held_out.txt")
    assert dataset.names == ["0000001.png"]


def break_some(folder, count, broken):
    for number in range(count):
        draw(folder / f"{number:04d}.png", (8, 8), seed=number)
    for number in range(broken):
        path = folder / f"{number:04d}.png"
        path.write_bytes(path.read_bytes()[:60])
    return folder


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_broken_photo_is_named_once_and_the_next_one_taken(tmp_path, caplog, capfd, num_workers):
    folder = break_some(tmp_path, 100, 1)
    dataset = Landscapes(folder, crop=8, flip=False)
    whole = {Image.open(path).tobytes() for path in folder.iterdir() if path.name != "0000.png"}
    with caplog.at_level(logging.WARNING):
        images = first_batches(dataset, count=75, num_workers=num_workers)  # three epochs
    shown = images.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    assert {image.tobytes() for image in shown} == whole
    assert dataset.broken.names() == ["0000.png"]
    if num_workers == 0:
        assert caplog.text.count("0000.png") == 1
    else:
        assert capfd.readouterr().err.count("0000.png") <= 1


@pytest.mark.parametrize("num_workers", [0, 1])
def test_more_than_one_percent_of_broken_photos_stops_with_their_names(tmp_path, num_workers):
    dataset = Landscapes(break_some(tmp_path, 100, 2), crop=8)
    message = r"at most 1 % broken pictures in .*, found 2 of 100: 0000.png, 0001.png"
    with pytest.raises(InputError, match=message) as error:
        first_batches(dataset, count=50, num_workers=num_workers)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dir": "nowhere"}, "found nothing at nowhere"),
        ({"dir": "text.txt"}, "folder or zip file of pictures, got text.txt"),
        ({"dir": "empty"}, "in empty, found none"),
        ({"held_out": "absent.txt"}, "text file of picture names.*got absent.txt"),
        ({"select": "text.txt"}, "found none of its 1 after held_out and select"),
        ({"split": "test"}, "split=test needs a held_out list"),
        ({"split": "validation"}, "train or test, got validation"),
        ({"scale_range": (2.0, 1.0)}, "1 <= low <= high"),
        ({"scale_range": (0.5, 1.0)}, "1 <= low <= high"),
        ({"crop": 0}, "at least 1 pixel, got 0"),
    ],
)
def test_invalid_arguments_are_refused_in_one_line(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "photos/a.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("nothing\n")
    with pytest.raises(InputError, match=message):
        Landscapes(**{"dir": "photos", **options})


@pytest.mark.skipif(
    not os.path.isdir("../shared/data/landscapes/photos"), reason="the photos are not here"
)
def test_the_real_photos_are_found_and_read():
    dataset = Landscapes("../shared/data/landscapes/photos", crop=128, scale_range=(1.0, 2.0))
    assert len(dataset) == 5416
    assert dataset[5416]["image"].shape == (3, 128, 128)
