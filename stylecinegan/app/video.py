"""The video at full size: what `stylecinegan generate` makes of the same settings."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from torch import Tensor

from stylecinegan import Cinemagraph, StyleCineGAN, io
from stylecinegan.app.edits import Edits, VideoSettings
from stylecinegan.app.session_file import SessionContents, overrides
from stylecinegan.app.sessions import Session, encode_png
from stylecinegan.app.settings import Limits
from stylecinegan.app.worker import Job, Worker
from stylecinegan.errors import InputError

Animate = Callable[[StyleCineGAN, Mapping[str, str], Callable[[], None]], Cinemagraph]
"""Makes the cinemagraph of settings of ``generate``; calls the last between its slow parts."""


def collect(
    model: StyleCineGAN, session: Session, edits: Edits, video: VideoSettings
) -> SessionContents:
    """Everything that a session's file holds."""
    assert session.photo is not None
    files = {session.photo.name: session.photo.read_bytes()}
    if edits.has_style and session.style is not None:
        files[session.style.name] = session.style.read_bytes()
    if edits.strokes:
        predicted = session.scene_of(model, edits.region).prediction.mask
        corrections = session.corrections(edits, predicted)
        assert corrections is not None
        for name, correction in zip(("mask_add", "mask_remove"), corrections, strict=True):
            if correction.any():
                files[f"{name}.png"] = encode_png(correction)
    return SessionContents(session.name, edits, video, files)


def make_video(
    job: Job,
    worker: Worker,
    model: StyleCineGAN,
    session: Session,
    edits: Edits,
    settings: VideoSettings,
    animate: Animate,
) -> None:
    """Renders the video of a session into its folder and reports how far it is.

    Between frames the previews of others, and of the same page, go first.

    Args:
        job: Whom to report to.
        worker: Whose thread this is.
        model: The networks.
        session: Whose photo.
        edits: What is drawn and set.
        settings: Of the video.
        animate: Makes the cinemagraph.

    Raises:
        InputError: If something cannot be animated.
    """
    contents = collect(model, session, edits, settings)
    paths = {name.split(".")[0]: session.folder / name for name in contents.files}
    for name, data in contents.files.items():
        if name.startswith("mask_"):
            (session.folder / name).write_bytes(data)

    def pause() -> None:
        worker.give_way()
        job.check()

    pause()
    cinemagraph = animate(model, overrides(edits, settings, paths), pause)

    def frames() -> Iterator[Tensor]:
        for number, frame in enumerate(cinemagraph.frames):
            yield frame
            session.last_use = time.monotonic()
            job.report({"type": "progress", "done": number + 1, "of": cinemagraph.num_frames})
            pause()

    file = session.folder / f"video.{settings.format}"
    io.write_video(file, frames(), fps=settings.fps)
    session.video = file
    height, width = cinemagraph.photo.shape[2:]
    job.report({"type": "video", "bytes": file.stat().st_size, "width": width, "height": height})


def bounded(settings: VideoSettings, size: tuple[int, int], limits: Limits) -> VideoSettings:
    """Settings of a video that has never more pixels than its photo.

    Raises:
        InputError: If the video would be larger than allowed.
    """
    side = min(settings.size or max(size), max(size))
    if side > limits.render_side:
        raise InputError(
            f"a video may be {limits.render_side} pixels wide or high here, this one would be "
            f"{side}: choose a smaller size"
        )
    return replace(settings, size=None if side == max(size) else side)
