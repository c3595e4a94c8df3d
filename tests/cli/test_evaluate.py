import json

import numpy as np
import pytest
from PIL import Image

from stylecinegan import checkpoints, io
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.mask import MaskEnsemble
from tests.processes import run_script
from tests.tiny_model import write_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small model, photos, labels and drawn masks."""
    folder = tmp_path_factory.mktemp("evaluate")
    generator = write_model(folder / "model").generator
    channels = generator.channels[64] + 2 * (generator.channels[128] + generator.channels[256])
    ensemble = MaskEnsemble(num_channels=channels, num_members=2, hidden=(4, 4))
    checkpoints.save(folder / "model/mask.safetensors", ensemble)
    checkpoints.save(folder / "other.safetensors", ensemble)
    for seed, name in enumerate(("one", "two", "three")):
        drawn = draw_landscape(192, 192, seed)
        io.write_image(folder / f"photos/{name}.png", drawn.image)
        io.write_image(folder / f"drawn/{name}.jpg", drawn.image)
        io.write_mask(folder / f"drawn/{name}_mask.png", drawn.mask)
        (folder / "labels").mkdir(exist_ok=True)
        label = (drawn.mask[0, 0] > 0.5).numpy().astype(np.uint8)
        Image.fromarray(label).save(folder / f"labels/{name}.png")
    (folder / "held_out.txt").write_text("one\ntwo\n")
    return folder


def evaluate(folder, *overrides):
    return run_script(
        "evaluate.py", "model.directory=model", "output_dir=out", *overrides, cwd=folder
    )


def test_table_5_measures_both_inversions_of_held_out_photos(folder):
    done = evaluate(
        folder,
        "table=5",
        "table.photos.path=photos",
        "table.photos.listed=held_out.txt",
        "table.photos.number=2",
        "table.num_samples=3",
    )
    assert done.returncode == 0, done.stderr
    assert "| w+ and D10 |" in done.stdout
    rows = [json.loads(line) for line in (folder / "out/rows.jsonl").read_text().splitlines()]
    details = [json.loads(line) for line in (folder / "out/details.jsonl").read_text().splitlines()]
    assert [row["row"] for row in rows] == ["w+ only", "w+ and D10"]
    assert rows[0]["settings"]["table"]["photos"]["number"] == 2
    of_row = [entry["RMSE"] for entry in details if entry["row"] == "w+ and D10"]
    assert rows[1]["RMSE"] == pytest.approx(sum(of_row) / 2)
    assert {entry["photo"] for entry in details} == {"one", "two"}
    # Two photos with both inversions of each make one row of six, three samples another sheet.
    assert io.read_image(folder / "out/reconstructions.png").shape == (1, 3, 256, 1556)
    assert io.read_image(folder / "out/samples.png").shape == (1, 3, 256, 776)


def test_the_mask_table_has_rows_for_labels_drawn_masks_and_composites_by_ensemble(folder):
    done = evaluate(
        folder,
        "table=mask",
        "table.labelled.dir=photos",
        "table.labelled.labels_dir=labels",
        "table.labelled.held_out=held_out.txt",
        "+table.ensembles.other=other.safetensors",
        "table.drawn.path=drawn",
        "table.composited.size=128",
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (folder / "out/rows.jsonl").read_text().splitlines()]
    kinds = ["", ", drawn masks", ", composited objects"]
    names = [name + kind for name in ("default", "other") for kind in kinds]
    assert [row["row"] for row in rows] == names
    assert rows[0]["IoU sky"] == rows[3]["IoU sky"]  # the same weights
    assert {"recall 1-2 px", "recall 3 px and wider", "precision"} <= set(rows[2])
    # Two composites of each of three photos, in rows of four.
    assert io.read_image(folder / "out/composites.png").shape == (1, 3, 516, 1036)
    details = [json.loads(line) for line in (folder / "out/details.jsonl").read_text().splitlines()]
    drawn = [entry["boundary F"] for entry in details if entry["row"] == names[1]]
    assert len(drawn) == 3
    assert rows[1]["boundary F"] == pytest.approx(sum(drawn) / 3)
    # Two labelled photos and three drawn masks, three pictures each, in rows of six.
    assert io.read_image(folder / "out/masks.png").shape == (1, 3, 776, 1556)


def test_a_missing_photo_folder_is_refused_in_one_line(folder):
    done = evaluate(folder, "table=5", "table.photos.path=nowhere", "table.num_samples=0")
    assert done.returncode == 1
    assert done.stderr == (
        "error: wanted a folder or zip file of pictures, found nothing at nowhere\n"
    )
