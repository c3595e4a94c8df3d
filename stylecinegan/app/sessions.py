"""Sessions: a photo each, with its edits and cached results."""

import secrets
import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylecinegan import Scene, StyleCineGAN, io
from stylecinegan.app.edits import Edits, VideoSettings
from stylecinegan.app.pictures import check_picture, decode, encode_jpeg, shrink
from stylecinegan.app.session_file import safe_name
from stylecinegan.app.settings import Limits, PreviewSettings
from stylecinegan.errors import InputError
from stylecinegan.mask.strokes import Patch, Stroke, cover, paint

MAX_PATCH_BYTES = 64 << 20
"""Cache size per session for the coverage of its strokes."""


class SessionGone(InputError):
    """The session does not exist or has expired."""


class ServerFull(InputError):
    """All sessions that the server may have are in use."""


@dataclass
class Session:
    """A photo on a user's page; only the worker's thread accesses computed attributes.

    Attributes:
        id: Random identifier, the only access to the session.
        folder: Folder of its files, deleted with it.
        name: Name of the photo without suffix, safe as a file name.
        edits: Latest edits, restored when the page is reloaded.
        video_settings: Latest video settings, likewise.
        last_use: Time of the last request, in seconds of the clock of :class:`Sessions`.
        size: (height, width) of the upright photo.
        photo: The uploaded file.
        style: The uploaded style picture, if any.
        picture: The photo at the size of the page, ``[h, w, 3]``, uint8.
        working_photo: The photo at the size of the preview, ``[1, 3, h, w]`` in [-1, 1].
        working_opacity: Its opacity, ``[1, 1, h, w]`` in [0, 1], if there are transparent pixels.
        page_picture: ``picture`` as a JPEG.
        scene: Scene of the working photo.
        scene_region: Region that the scene's mask was predicted for.
        painted_strokes: Region and strokes that the scene's mask was corrected with.
        style_codes: Latent codes of the style picture, computed on first use.
        video: The last finished video.
    """

    id: str
    folder: Path
    name: str = "photo"
    edits: Edits = field(default_factory=Edits)
    video_settings: VideoSettings = field(default_factory=VideoSettings)
    last_use: float = field(default_factory=time.monotonic)
    size: tuple[int, int] = (0, 0)
    photo: Path | None = None
    style: Path | None = None
    picture: np.ndarray | None = None
    page_picture: bytes = b""
    working_photo: Tensor | None = None
    working_opacity: Tensor | None = None
    scene: Scene | None = None
    scene_region: str = ""
    painted_strokes: Any = None
    style_codes: Tensor | None = None
    video: Path | None = None
    _patches: OrderedDict[tuple[Stroke, str], Patch] = field(default_factory=OrderedDict)

    def open(self, upload: Path, settings: PreviewSettings, limits: Limits) -> None:
        """Decodes an uploaded photo.

        Raises:
            InputError: If it is no picture, or too large.
        """
        suffix = check_picture(upload, self.name, limits)
        pixels, opacity = decode(upload, self.name)
        self.photo = upload.rename(self.folder / f"photo{suffix}")
        self.size = (pixels.shape[0], pixels.shape[1])
        self.picture = shrink(pixels, settings.picture_side)
        working = shrink(self.picture, settings.working_side)
        self.working_photo = io.from_uint8(np.ascontiguousarray(working))
        if opacity is not None:
            # In the same two steps, so that the sizes are equal.
            opacity = shrink(shrink(opacity, settings.picture_side), settings.working_side)
            self.working_opacity = torch.from_numpy(opacity)[None, None] / 255.0
        self.page_picture = encode_jpeg(self.picture, 90)

    def scene_of(self, model: StyleCineGAN, region: str) -> Scene:
        """Returns the preview's scene for a region, created on first use."""
        if self.scene is None or self.scene_region != region:
            assert self.working_photo is not None
            device = model.generator.w_mean.device
            kind: Any = "both" if region == "auto" else region
            opacity = self.working_opacity
            self.scene = model.scene(
                self.working_photo.to(device),
                region=kind,
                opacity=None if opacity is None else opacity.to(device),
            )
            self.scene_region, self.painted_strokes = region, None
        return self.scene

    def corrections(self, edits: Edits, mask: Tensor) -> tuple[np.ndarray, np.ndarray] | None:
        """Renders strokes to corrections of the mask.

        Args:
            edits: Edits with the strokes.
            mask: The predicted mask S, ``[1, 1, h, w]``.

        Returns:
            Regions to add and to remove, ``[h, w]``, uint8, at the size of the page's picture;
            ``None`` without strokes.
        """
        if not edits.strokes:
            return None
        assert self.picture is not None
        predicted = mask[0, 0].cpu().numpy()
        patches = []
        for stroke in edits.strokes:
            key = (stroke, edits.region)
            if key not in self._patches:
                self._patches[key] = cover(stroke, self.picture, predicted)
            self._patches.move_to_end(key)
            patches.append((stroke.kind, self._patches[key]))
        total = sum(patch.cover.nbytes for patch in self._patches.values())
        while total > MAX_PATCH_BYTES:
            total -= self._patches.popitem(last=False)[1].cover.nbytes
        height, width = self.picture.shape[:2]
        return paint(patches, (height, width))

    def num_bytes_on_disk(self) -> int:
        """Total size of the session's files."""
        sizes = []
        for file in self.folder.iterdir():
            try:
                sizes.append(file.stat().st_size)
            except OSError:  # a temporary file that is gone by now
                continue
        return sum(sizes)


class Sessions:
    """All sessions, limited in number, idle time and disk space.

    Args:
        limits: The limits.
        close: Called with a session that is removed.
        clock: Current time in seconds; tests pass their own.
    """

    def __init__(
        self,
        limits: Limits,
        close: Callable[[Session], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._close = close
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="stylecinegan-app-"))

    @property
    def folder(self) -> Path:
        """Folder of all files that the app writes."""
        return self._folder

    def __len__(self) -> int:
        return len(self._sessions)

    def create(self, name: str) -> Session:
        """Creates a session with its folder; :meth:`find` returns it after :meth:`add`."""
        self.expire()
        folder = self._folder / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        return Session(secrets.token_urlsafe(18), folder, safe_name(name))

    def add(self, session: Session, replaced: str = "") -> None:
        """Registers a session; at the limit, the longest idle one is removed.

        Args:
            session: The session.
            replaced: Id of a session that is removed for it, if there is one.

        Raises:
            ServerFull: If all are in use.
        """
        self.make_room(replaced)
        if replaced in self._sessions:
            self.remove(self._sessions[replaced])
        session.last_use = self._clock()
        self._sessions[session.id] = session

    def make_room(self, replaced: str = "") -> None:
        """Removes the longest idle sessions until there is room for one more.

        Args:
            replaced: Id of a session that does not count.

        Raises:
            ServerFull: If all are in use.
        """
        others = [session for session in self._sessions.values() if session.id != replaced]
        others.sort(key=lambda session: session.last_use)
        for idlest in others[: max(0, len(others) + 1 - self._limits.sessions)]:
            if self._clock() - idlest.last_use < self._limits.active_s:
                raise ServerFull("The server is full: as many photos are open as it can hold.")
            self.remove(idlest)

    def find(self, identity: str) -> Session:
        """Finds a session by its id and updates its last use.

        Raises:
            SessionGone: If there is none.
        """
        session = self._sessions.get(identity)
        if session is None:
            raise SessionGone("this session is over: open the photo again")
        session.last_use = self._clock()
        return session

    def remove(self, session: Session) -> None:
        """Removes a session; its files are deleted when no job uses them any more."""
        self._sessions.pop(session.id, None)
        self._close(session)

    def expire(self) -> None:
        """Removes the sessions that have been idle for too long."""
        oldest = self._clock() - 60.0 * self._limits.idle_minutes
        for session in list(self._sessions.values()):
            if session.last_use < oldest:
                self.remove(session)

    def check_disk(self) -> None:
        """Removes idle sessions until the disk space suffices.

        Raises:
            InputError: If the sessions in use exceed it.
        """
        most = self._limits.disk_mib << 20
        by_age = sorted(self._sessions.values(), key=lambda session: session.last_use)
        used = {session.id: session.num_bytes_on_disk() for session in by_age}
        idle = [s for s in by_age if s.last_use < self._clock() - 300.0]
        while sum(used.values()) > most and idle:
            used.pop(idle[0].id)
            self.remove(idle.pop(0))
        if sum(used.values()) > most:
            raise InputError("the server's disk space for photos and videos is used up: try later")

    def close(self) -> None:
        """Deletes all sessions and their files."""
        self._sessions.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
