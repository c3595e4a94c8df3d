"""Web page of a user study, built from folders of videos (Sec. 4.1, Tables 2 and 3)."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import numpy as np

from stylecinegan import io
from stylecinegan.data.pictures import PictureFolder, stem
from stylecinegan.errors import InputError
from stylecinegan.inputs import check_number, resize_photo
from stylecinegan.io.paths import reporting_write_errors

PAGE_DIR = Path(__file__).with_name("page")
KEY_FILE = "key.json"
VIDEO_SUFFIXES = (".mp4", ".webm")
CODECS = ("h264", "vp8", "vp9", "av1")
"""Codecs that all browsers play."""

PHOTO_SIZE = 1024
"""Largest longer side of the photos on the page, in pixels; larger ones load slowly on phones."""


@dataclass(frozen=True)
class Study:
    """A user study on disk.

    Attributes:
        page_dir: Folder of the page, to be put on a web server or opened from disk.
        num_questions: Number of questions for each participant.
    """

    page_dir: Path
    num_questions: int


def build_study(
    videos: str | Path,
    photos: str | Path,
    output_dir: str | Path,
    *,
    ours: str = "Ours",
    num_scored: int = 10,
    num_paired: int = 10,
    seed: int = 0,
    title: str = "Which cinemagraph is better?",
) -> Study:
    """Writes the page of a study, and the key with the method of each video.

    As in the paper, the videos of all methods are scored from 1 to 5 on some clips, and ours is
    compared with each other method on others, by static consistency and motion quality, next to the
    photo. The page randomises order and sides for each participant. File names on the page do not
    reveal the method.

    Args:
        videos: Folder with a subfolder per method, named after it, of ``.mp4`` or ``.webm`` files
            named after the clips.
        photos: Folder or zip file of photos named after the clips.
        output_dir: Where ``page/`` and ``key.json`` are written.
        ours: Name of the method that the others are compared with.
        num_scored: Number of clips to score.
        num_paired: Number of further clips to compare side by side.
        seed: Seed of the choice of clips.
        title: Title of the page.

    Raises:
        InputError: If methods, clips or photos are missing, a video has a codec that browsers do
            not play, or ``output_dir`` already holds a study.

    Returns:
        The study.
    """
    output_dir = Path(output_dir)
    if (output_dir / KEY_FILE).exists():
        raise InputError(f"{output_dir} holds a study already; answers to it would not fit another")
    check_number("num_scored", num_scored, least=0, is_whole=True)
    check_number("num_paired", num_paired, least=0, is_whole=True)
    methods = _find_videos(Path(videos), ours)
    pictures = PictureFolder(photos)
    photo_names = {stem(name): name for name in pictures.names}
    scored, paired = _choose_clips(methods, photo_names, num_scored, num_paired, seed)
    for clip in chain(scored, paired):
        for files in methods.values():
            _check_playable(files[clip])

    page_dir = output_dir / "page"
    with reporting_write_errors(output_dir):
        shutil.copytree(PAGE_DIR, page_dir, dirs_exist_ok=True)
        (page_dir / "videos").mkdir(exist_ok=True)
    key: dict[str, dict[str, str]] = {}
    questions: list[dict[str, object]] = []
    for clip in chain(scored, paired):
        photo = pictures.read_photo(photo_names[clip])
        photo = resize_photo(photo, min(PHOTO_SIZE, max(photo.shape[2:])))
        photo_path = f"photos/{_digest(seed, clip)}.jpg"
        io.write_image(page_dir / photo_path, photo)
        context = {"photo": photo_path, "size": [photo.shape[3], photo.shape[2]]}
        paths = {}
        for method, files in methods.items():
            name = _digest(seed, method, clip)
            paths[method] = _copy_video(files[clip], page_dir, name)
            key[name] = {"method": method, "clip": clip}
        clip_questions = _scorings(paths) if clip in scored else _comparisons(paths, ours)
        questions += [{**question, **context} for question in clip_questions]
    study = _digest(json.dumps([key, questions]))
    page = {"study": study, "title": title, "questions": questions}
    contents = {"study": study, "ours": ours, "methods": list(methods), "videos": key}
    with reporting_write_errors(output_dir):
        (page_dir / "study.js").write_text(f"const STUDY = {json.dumps(page)};\n", "utf-8")
        # Written last, since its presence marks the study as complete.
        (output_dir / KEY_FILE).write_text(json.dumps(contents, indent=1) + "\n", "utf-8")
    return Study(page_dir, len(questions))


def _copy_video(video: Path, page_dir: Path, name: str) -> str:
    """Copies a video to the page and returns its path there."""
    path = f"videos/{name}{video.suffix.lower()}"
    with reporting_write_errors(page_dir):
        shutil.copyfile(video, page_dir / path)
    return path


def _scorings(paths: Mapping[str, str]) -> list[dict[str, object]]:
    """Questions for scores of a clip's videos, given by method, in an order without meaning."""
    return [{"task": "score", "videos": [video]} for video in sorted(paths.values())]


def _comparisons(paths: Mapping[str, str], ours: str) -> list[dict[str, object]]:
    """Questions that compare our video of a clip with each other one, given by method."""
    others = (video for method, video in paths.items() if method != ours)
    # Sorted, so that their order in the page's source reveals no method.
    pairs = sorted(sorted([paths[ours], video]) for video in others)
    return [{"task": "pair", "videos": pair} for pair in pairs]


def _find_videos(folder: Path, ours: str) -> dict[str, dict[str, Path]]:
    """Finds videos by method and clip; ours is last, as in the paper's tables."""
    if not folder.is_dir():
        raise InputError(f"wanted a folder with a folder of videos for each method, got {folder}")
    methods: dict[str, dict[str, Path]] = {}
    for directory in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = [path for path in directory.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES]
        methods[directory.name] = {path.stem: path for path in sorted(files)}
        if len(files) > len(methods[directory.name]):
            raise InputError(f"wanted one video a clip in {directory}, found two of one name")
    if ours not in methods or len(methods) < 2:
        found = ", ".join(methods) or "none"
        raise InputError(
            f"wanted folders of {ours} and of other methods in {folder}, found {found}"
        )
    methods[ours] = methods.pop(ours)
    return methods


def _choose_clips(
    methods: Mapping[str, Mapping[str, Path]],
    photos: Mapping[str, str],
    num_scored: int,
    num_paired: int,
    seed: int,
) -> tuple[list[str], list[str]]:
    """Draws disjoint clips for scores and comparisons from those that all methods have."""
    common = sorted(set(photos).intersection(*methods.values()))
    wanted = num_scored + num_paired
    if wanted == 0 or len(common) < wanted:
        each = ", ".join(f"{method} {len(files)}" for method, files in methods.items())
        raise InputError(
            f"wanted {max(wanted, 1)} clips that all methods and the photos have, found "
            f"{len(common)} ({each}, photos {len(photos)})"
        )
    order = [common[index] for index in np.random.default_rng(seed).permutation(len(common))]
    return order[:num_scored], order[num_scored:wanted]


def _check_playable(path: Path) -> None:
    """Checks that browsers play a video."""
    try:
        with av.open(str(path.absolute())) as container:
            codecs = [stream.codec.canonical_name for stream in container.streams.video]
    except av.FFmpegError as error:
        raise InputError(f"cannot read {path}: wanted a video, found other data") from error
    if not codecs or codecs[0] not in CODECS:
        found = codecs[0] if codecs else "no picture stream"
        raise InputError(f"browsers do not play {path}: wanted {', '.join(CODECS)}, found {found}")


def _digest(*parts: object) -> str:
    """Name of 12 hexadecimal digits that does not reveal the parts it depends on."""
    text = "/".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
