"""Session files: a photo with its edits and video settings, as a zip archive."""

import io
import json
import re
import shlex
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stylecinegan.app.edits import Edits, VideoSettings, parse_edits, parse_video_settings
from stylecinegan.app.settings import Limits
from stylecinegan.errors import InputError
from stylecinegan.motion.controls import Hints
from stylecinegan.motion.controls.hints import format_hints

VERSION = 1
SUFFIX = ".stylecinegan"
SETTINGS = "session.json"
HINTS = "hints.json"
"""The motion controls again, as a file for ``hints=`` of ``generate``."""

MAX_BYTES = 1 << 30
"""Largest size of an unpacked member."""

_KINDS = ("photo", "style", "mask_add", "mask_remove")


@dataclass(frozen=True)
class SessionContents:
    """Contents of a session file.

    Attributes:
        name: Name of the photo without suffix.
        edits: Strokes and settings.
        video: Settings of the video.
        files: Contents by file name: ``photo.SUFFIX`` and, if any, ``style.SUFFIX``,
            ``mask_add.png``, ``mask_remove.png``.
    """

    name: str
    edits: Edits
    video: VideoSettings = field(default_factory=VideoSettings)
    files: Mapping[str, bytes] = field(default_factory=dict)


def write_session(contents: SessionContents) -> bytes:
    """Returns the bytes of a session file."""
    settings = {
        "version": VERSION,
        "name": contents.name,
        "edits": contents.edits.to_json(),
        "video": asdict(contents.video),
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(SETTINGS, json.dumps(settings, indent=2) + "\n")
        # A text that cannot be parsed is still saved with the session.
        with suppress(InputError):
            archive.writestr(HINTS, format_hints(hints_of(contents.edits)))
        for name, data in contents.files.items():
            archive.writestr(name, data)  # pictures are compressed already
    return stream.getvalue()


def hints_of(edits: Edits) -> Hints:
    """Extracts the motion controls from edits."""
    factors = {"sky": edits.speed_sky, "water": edits.speed_water}
    return Hints(
        arrows=edits.arrows,
        anchors=edits.anchors,
        text=edits.text,
        speed=edits.speed,
        speeds={kind: factor for kind, factor in factors.items() if factor != 1.0},
    )


def is_session_file(path: Path) -> bool:
    """Whether a file is a zip archive, which no photo is."""
    with path.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def read_session(path: str | Path, *, max_bytes: int = MAX_BYTES) -> SessionContents:
    """Reads a session file.

    Args:
        path: The file.
        max_bytes: Largest size of an unpacked member.

    Raises:
        InputError: If it is no session file, damaged, or has unexpected members.
    """
    name = Path(path).name
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if len(set(names)) != len(names) or not all(map(_is_known, names)):
                raise InputError(f"{name} is no session file: it contains unexpected files")
            files = {entry.filename: _read(archive, entry, max_bytes) for entry in entries}
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(f"cannot read {name}: wanted a session file, found none") from error
    except (ValueError, zipfile.LargeZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read {name}: it is damaged") from error
    settings = _with_moved_camera(_parse(files.pop(SETTINGS, b""), name))
    files.pop(HINTS, None)
    if not any(file.startswith("photo.") for file in files):
        raise InputError(f"{name} is no session file: it contains no photo")
    return SessionContents(
        name=safe_name(f"{settings.get('name', 'photo')}.file"),
        edits=parse_edits(settings.get("edits", {})),
        video=parse_video_settings(settings.get("video", {}), Limits()),
        files=files,
    )


def overrides(
    edits: Edits, video: VideoSettings, files: Mapping[str, str | Path]
) -> dict[str, str]:
    """Command-line settings of ``stylecinegan generate`` that make the same video.

    Args:
        edits: Strokes and settings.
        video: Settings of the video.
        files: Paths of ``photo`` and, if any, ``style``, ``mask_add`` and ``mask_remove``.

    Returns:
        Values by key; settings with their default value are left out.
    """
    unchanged, plain = Edits(), VideoSettings()
    values = {"photo": str(files["photo"])}
    if edits.region != unchanged.region:
        values["mask"] = edits.region
    for key in ("mask_add", "mask_remove"):
        if key in files:
            values[key] = str(files[key])
    if edits.arrows:
        values["arrows"] = json.dumps(edits.arrows, separators=(",", ":"))
    if edits.anchors:
        values["anchors"] = json.dumps(edits.anchors, separators=(",", ":"))
    if edits.text.strip():
        values["text"] = edits.text
    for key in ("speed", "speed_sky", "speed_water"):
        if getattr(edits, key) != getattr(unchanged, key):
            values[key] = repr(getattr(edits, key))
    if edits.has_style and "style" in files:
        values["style"] = str(files["style"])
        values["style_strength"] = repr(edits.style_strength)
        values["style_schedule"] = edits.style_schedule
    if edits.camera != unchanged.camera:
        values["camera"] = edits.camera
        if edits.camera_amount != unchanged.camera_amount:
            values["camera_amount"] = repr(edits.camera_amount)
    for key in ("num_frames", "fps", "size"):
        if getattr(video, key) != getattr(plain, key):
            values[key] = str(getattr(video, key))
    return values


def command(values: Mapping[str, str], video: str) -> str:
    """Formats settings as a shell command."""
    settings = [f"{key}={value}" for key, value in {**values, "video": video}.items()]
    return shlex.join(["stylecinegan", "generate", *settings])


def unpack(path: str | Path, folder: Path) -> dict[str, str]:
    """Unpacks a session file into a folder.

    Returns:
        Settings of ``stylecinegan generate`` by key; the video has the photo's name.

    Raises:
        InputError: If it is no session file.
    """
    contents = read_session(path)
    files = {}
    for name, data in contents.files.items():
        file = folder / name  # one of the few known names
        file.write_bytes(data)
        files[name.split(".")[0]] = file
    video = f"{contents.name}.{contents.video.format}"
    return {**overrides(contents.edits, contents.video, files), "video": video}


def safe_name(name: str) -> str:
    """Reduces a file name to its stem, with only letters, digits, ``-`` and ``_``."""
    stem = re.split(r"[/\\]", name)[-1].rsplit(".", 1)[0]
    return re.sub(r"[^\w\-]+", "_", stem).strip("_")[:60] or "photo"


def _with_moved_camera(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with the camera's move among the edits; earlier files have it with the video's."""
    edits, video = settings.get("edits", {}), settings.get("video", {})
    if not (isinstance(edits, dict) and isinstance(video, dict) and "camera" in video):
        return settings
    camera = {"camera": video["camera"]}
    remaining = {key: value for key, value in video.items() if key != "camera"}
    return {**settings, "edits": {**camera, **edits}, "video": remaining}


def _is_known(name: str) -> bool:
    stem, dot, suffix = name.partition(".")
    return name in (SETTINGS, HINTS) or (stem in _KINDS and dot == "." and suffix.isalnum())


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: int) -> bytes:
    # The size in the header cannot be trusted: reading stops at the limit.
    with archive.open(entry) as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise InputError(f"{entry.filename} in the session exceeds {max_bytes >> 20} MiB")
    return data


def _parse(text: bytes, name: str) -> dict[str, Any]:
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{name} is no session file: its settings are missing or damaged"
        ) from error
    if not isinstance(settings, dict) or settings.get("version") != VERSION:
        raise InputError(f"{name} is no session file of version {VERSION}")
    return settings
