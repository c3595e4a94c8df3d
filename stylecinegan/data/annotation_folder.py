"""Folders of photos to be labelled by hand: templates, guide and checks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import UnidentifiedImageError

from stylecinegan.data.label_files import Label, find_labels
from stylecinegan.data.label_pictures import COLOURS, colour_code
from stylecinegan.data.pictures import BROKEN, PictureFolder, stem
from stylecinegan.errors import InputError
from stylecinegan.io.paths import reporting_write_errors
from stylecinegan.mask.ensemble import CLASSES

_MEANINGS = (
    "what stays: land, plants, buildings, boats, people",
    "air and clouds that can move",
    "sea, lake, river, waterfall",
)

_GUIDE = """\
Every pixel of labels/NAME.png is the class of that pixel of photos/NAME.jpg:

{classes}
There is a template for each photo. Correct it by hand, in one of two ways.

Paint program: open photo and label as two layers and paint on the label in the colours above, with
hard edges (a pencil, no anti-aliasing, no soft brush). Keep the size, and save the label under its
name as PNG, never as JPEG. Indexed, RGB and grey (0, 1, 2) files are all read, and so are sky and
water alone on black or on transparency.

LabelMe: run "labelme photos --output labels --labels labels.txt" here. Draw polygons, rectangles
and circles; later shapes cover earlier ones, and pixels that no shape covers are static. The
drawing NAME.json then replaces NAME.png.

Check the work with: stylecinegan annotate check=THIS_FOLDER
The command that wrote this folder adds what is missing and changes nothing that is here.
"""


def photo_file(folder: Path, name: str) -> Path:
    """Path of a photo to be labelled."""
    return folder / "photos" / f"{name}.jpg"


def label_file(folder: Path, name: str) -> Path:
    """Path of its label."""
    return folder / "labels" / f"{name}.png"


def write_guide(folder: Path) -> None:
    """Writes the annotator's guide and LabelMe's list of classes, unless they exist.

    Raises:
        InputError: If the folder cannot be written to.
    """
    classes = "".join(
        f"  {number}  {name:<7} {colour_code(colour)}  {meaning}\n"
        for number, (name, colour, meaning) in enumerate(
            zip(CLASSES, COLOURS, _MEANINGS, strict=True)
        )
    )
    texts = {
        "README.txt": _GUIDE.format(classes=classes),
        "labels.txt": "".join(f"{name}\n" for name in CLASSES),
    }
    with reporting_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            if not (folder / name).exists():
                (folder / name).write_text(text, encoding="utf-8")


@dataclass
class AnnotationCheck:
    """Findings in a folder of labelled photos.

    Attributes:
        photos_dir: Folder of the photos.
        labels_dir: Folder of the labels; the same if drawings lie beside the photos.
        num_photos: Number of photos.
        problems: One line per wrong file.
        num_drawings: Number of valid labels that were drawn in LabelMe.
        shares: Share of each class in each valid label, in [0, 1].
    """

    photos_dir: Path
    labels_dir: Path
    num_photos: int
    problems: list[str] = field(default_factory=list)
    num_drawings: int = 0
    shares: list[np.ndarray] = field(default_factory=list)

    def summary(self) -> str:
        """One line: the number of valid labels and their mean shares of the classes."""
        text = f"{self.num_photos} photos, {len(self.shares)} good labels"
        if not self.shares:
            return text
        means = np.mean(self.shares, axis=0)
        parts = (f"{share:.1%} {name}" for share, name in zip(means, CLASSES, strict=True))
        num_static = sum(share[0] == 1.0 for share in self.shares)
        return (
            f"{text} ({self.num_drawings} drawn in LabelMe, {num_static} wholly static): "
            f"{', '.join(parts)}"
        )


def check_folder(folder: Path) -> AnnotationCheck:
    """Reads every photo and label of a folder, as training would.

    Args:
        folder: Folder of ``photos`` and ``labels``, or of photos and their LabelMe drawings.

    Raises:
        InputError: If there is no such folder or no photo in it.
    """
    photos_dir, labels_dir = folder / "photos", folder / "labels"
    if not photos_dir.is_dir():
        photos_dir = labels_dir = folder
    photos = PictureFolder(photos_dir)
    labels = find_labels(photos, labels_dir)
    check = AnnotationCheck(photos_dir, labels_dir, len(photos.names))
    check.problems += _wrong_names(photos, labels)
    for name in photos.names:
        if stem(name) in labels:
            _check_pair(photos, name, labels[stem(name)][0], check)
    return check


def _wrong_names(photos: PictureFolder, labels: dict[str, list[Label]]) -> Iterator[str]:
    first_of: dict[str, str] = {}
    for name in photos.names:
        first = first_of.setdefault(stem(name), name)
        if first != name:
            yield f"photo {name} must have a name of its own, got that of {first}"
        elif stem(name) not in labels:
            yield f"photo {name} must have a label {stem(name)}.png or .json, found none"
    for name, files in labels.items():
        if name not in first_of:
            yield f"label {files[0].name} must have a photo {name} in {photos.path}, found none"
        drawings = [str(file.folder.path / file.name) for file in files if file.is_drawing]
        if len(drawings) > 1:
            yield f"photo {name} must have one drawing, got {' and '.join(drawings)}"


def _check_pair(photos: PictureFolder, name: str, label: Label, check: AnnotationCheck) -> None:
    try:
        height, width = photos.read(name).shape[:2]
    except BROKEN as error:
        check.problems.append(f"photo {name} must be a whole picture, got a damaged one: {error}")
        return
    try:
        classes = label.read((height, width))
    except InputError as error:
        check.problems.append(str(error))
    except UnidentifiedImageError:
        check.problems.append(f"label {label.name} must be a PNG, got something else")
    except BROKEN as error:
        check.problems.append(
            f"label {label.name} must be a whole picture, got a damaged one: {error}"
        )
    else:
        check.num_drawings += label.is_drawing
        check.shares.append(np.bincount(classes.ravel(), minlength=len(CLASSES)) / classes.size)
