from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from stylecinegan import io
from stylecinegan.cli.annotate import list_photos, list_samples
from stylecinegan.data.annotations import AnnotatedLandscapes
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.data.label_pictures import COLOURS
from stylecinegan.errors import InputError
from tests.mask.decided import write_model
from tests.processes import run_script

SKY = 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos, and a model that classifies everything as sky."""
    folder = tmp_path_factory.mktemp("annotate")
    write_model(folder / "model", SKY)
    for number in range(4):
        io.write_image(folder / f"été/{number}.png", draw_landscape(48, 72, number).image)
    return folder


def annotate(folder, *arguments):
    return run_script("annotate.py", "model.directory=model", "device=cpu", *arguments, cwd=folder)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_templates_are_written_kept_read_as_labels_and_checked(folder):
    work = folder / "my work (1)"
    done = annotate(folder, "photos=été", f"folder={work}", "num=2")
    assert done.returncode == 0, done.stderr
    assert "2 templates written, 0 kept" in done.stdout
    written = files(work)
    assert len(written) == 6
    first, second = sorted((work / "labels").iterdir())
    template = Image.open(first)
    assert template.size == (72, 48)
    assert np.unique(template).tolist() == [SKY]  # the model's prediction
    # The annotator paints the land over one label in RGB, in colours.
    painted = np.array(template.convert("RGB"))
    painted[24:] = COLOURS[0]
    Image.fromarray(painted).save(first)
    before = files(work)
    done = annotate(folder, "photos=été", f"folder={work}", "num=3")
    assert done.returncode == 0, done.stderr
    assert "1 templates written, 2 kept" in done.stdout
    after = files(work)
    assert len(after) == 8
    assert before.items() <= after.items()
    data = AnnotatedLandscapes(work / "photos", work / "labels", crop=32)
    assert np.asarray(data.read(0)[1]).tolist() == [[1] * 72] * 24 + [[0] * 72] * 24
    second.write_bytes(b"")
    done = annotate(folder, f"check={work}")
    assert done.returncode == 1
    assert f"label {second.name} must hold 0 static, 1 sky and 2 water, got an empty" in done.stdout
    # One good label is half sky, the other all sky.
    assert "3 photos, 2 good labels" in done.stdout
    assert "25.0% static, 75.0% sky, 0.0% water" in done.stdout
    assert done.stderr == "error: wanted labels to train on, problems found: 1\n"


def test_sampled_landscapes_are_named_by_their_seeds(folder):
    done = annotate(folder, "seeds=3-4", "folder=sampled", "prefill=false")
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (folder / "sampled").rglob("seed*"))
    assert names == ["seed00003.jpg", "seed00003.png", "seed00004.jpg", "seed00004.png"]
    assert not np.asarray(Image.open(folder / "sampled/labels/seed00003.png")).any()
    first, second = (io.read_image(folder / f"sampled/photos/seed0000{i}.jpg") for i in (3, 4))
    assert not first.equal(second)


def test_contradictory_settings_are_refused_in_one_line(folder):
    done = annotate(folder, "photos=été", "seeds=0-3", "folder=x")
    assert done.returncode == 1
    assert done.stderr == (
        "error: one of photos=FOLDER, seeds=0-31, check=FOLDER is needed, got photos and seeds\n"
    )
    assert not (folder / "x").exists()


def test_seeds_are_a_number_or_an_ascending_range():
    model = SimpleNamespace(sample=draw_landscape)
    assert list(list_samples("7", model)) == ["seed00007"]
    assert list(list_samples("9-11", model)) == [
        "seed00009",
        "seed00010",
        "seed00011",
    ]
    for seeds in ("5-3", "-1", "all", [1, 2]):
        with pytest.raises(InputError, match="a number or a range such as 0-31, got"):
            list_samples(seeds, model)


def test_a_larger_draw_of_photos_contains_the_smaller_ones(folder):
    chosen = [set(list_photos(folder / "été", num, folder / "x")) for num in (2, 3, 32)]
    assert [len(names) for names in chosen] == [2, 3, 4]
    assert chosen[0] < chosen[1] < chosen[2]


def test_photos_of_one_name_and_an_output_folder_among_them_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="folder must lie outside of"):
        list_photos(folder, 32, folder / "x")
    for kind in ("png", "jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"lake.{kind}")
    with pytest.raises(InputError, match="different names, got two of lake"):
        list_photos(tmp_path, 32, folder / "x")
