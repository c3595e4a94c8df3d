"""Animation of all photos in a folder: photo=FOLDER/"""  # noqa: D415

from collections import Counter
from pathlib import Path

from stylecinegan.cli.sweeps import job_path
from stylecinegan.data.pictures import PICTURE_SUFFIXES
from stylecinegan.errors import InputError
from stylecinegan.io.paths import VIDEO_SUFFIXES, expand_home


def is_folder(photo: str | None) -> bool:
    """Whether photo= is a folder."""
    return photo is not None and expand_home(photo).is_dir()


def name_folder_videos(photos: str, video: str | None) -> dict[Path, Path]:
    """Names a video for every photo in a folder, without subfolders and hidden files.

    Args:
        photos: The folder.
        video: Folder of the videos; by default ``NAME_videos`` in the current folder, with the name
            of the photos' folder.

    Returns:
        Videos by photo, sorted by name.

    Raises:
        InputError: If there is no photo, or ``video`` is a file.
    """
    folder = expand_home(photos)
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    )
    if not found:
        kinds = " ".join(sorted(PICTURE_SUFFIXES))
        raise InputError(f"wanted photos ({kinds}) in {photos}, found none")
    target = job_path(video or f"{folder.resolve().name}_videos")
    if (target.suffix and target.suffix in VIDEO_SUFFIXES) or target.is_file():
        raise InputError(f"video must be a folder for many photos, got {target}")
    # lake.jpg and lake.png need different names.
    stems = Counter(path.stem for path in found)
    return {
        path: target / f"{path.stem if stems[path.stem] == 1 else path.name}.mp4" for path in found
    }
