"""Names of the videos of ``generate``: of one photo, a folder of photos, or seeds."""

from collections import Counter
from pathlib import Path

from omegaconf import DictConfig

from stylecinegan.cli.seeds import parse_seeds
from stylecinegan.cli.sweeps import job_path
from stylecinegan.data.pictures import PICTURE_SUFFIXES
from stylecinegan.errors import InputError
from stylecinegan.io.paths import VIDEO_SUFFIXES, expand_home


def is_many(cfg: DictConfig) -> bool:
    """Whether the settings ask for many videos, those of a folder or of several seeds."""
    return cfg.seeds is not None or is_folder_of_photos(cfg)


def is_folder_of_photos(cfg: DictConfig) -> bool:
    """Whether photo= is a folder."""
    return cfg.photo is not None and expand_home(cfg.photo).is_dir()


def name_videos(cfg: DictConfig) -> dict[int | Path, Path]:
    """Names a video for every photo or seed of the settings.

    Returns:
        Videos by photo or seed.

    Raises:
        InputError: If there is no photo, ``seeds`` is no range, or ``video`` has the wrong kind.
    """
    if is_folder_of_photos(cfg):
        return {**_name_videos_of_folder(cfg.photo, cfg.video)}
    if cfg.seeds is not None:
        return {**_name_videos_of_seeds(cfg.seeds, cfg.video)}
    # The path below has no final slash, by which a folder would be told from a file, and names of
    # files beside the video drop its suffix.
    if str(cfg.video).endswith("/") and Path(cfg.video).suffix:
        raise InputError(
            f"video must be a folder whose name has no ending, got {cfg.video}: leave out "
            f"{Path(cfg.video).suffix}"
        )
    if cfg.photo is None:
        return {cfg.seed: job_path(cfg.video or f"seed{cfg.seed}.mp4")}
    photo = Path(cfg.photo)
    return {photo: job_path(cfg.video or f"{photo.stem}.mp4")}


def _name_videos_of_folder(photos: str, video: str | None) -> dict[Path, Path]:
    """Names a video for every photo in a folder, without subfolders and hidden files.

    Args:
        photos: The folder.
        video: Folder of the videos; by default ``NAME_videos`` in the current folder, with the name
            of the photos' folder.

    Returns:
        Videos by photo, sorted by name.
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


def _name_videos_of_seeds(seeds: object, video: str | None) -> dict[int, Path]:
    """Names a video for every seed, by default in the folder ``samples``."""
    numbers = parse_seeds(seeds)
    folder = job_path(video or "samples")
    if (folder.suffix and folder.suffix in VIDEO_SUFFIXES) or folder.is_file():
        raise InputError(f"video must be a folder for many seeds, got {folder}")
    num_digits = len(str(numbers[-1]))
    return {seed: folder / f"seed{seed:0{num_digits}d}.mp4" for seed in numbers}
