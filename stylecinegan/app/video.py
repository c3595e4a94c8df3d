"""The exported video, identical to that of ``stylecinegan generate`` with the same settings."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from torch import Tensor

from stylecinegan import Cinemagraph, StyleCineGAN, io
from stylecinegan.app.edits import Edits, VideoSettings
from stylecinegan.app.pictures import encode_png
from stylecinegan.app.session_file import SessionContents, overrides
from stylecinegan.app.sessions import Session
from stylecinegan.app.settings import Limits
from stylecinegan.app.worker import Job, Worker
from stylecinegan.errors import InputError

Animate = Callable[[StyleCineGAN, Mapping[str, str], Callable[[], None]], Cinemagraph]
"""Makes a cinemagraph from settings of ``generate``; calls the function between slow steps."""


def collect_contents(
    model: StyleCineGAN, session: Session, edits: Edits, video: VideoSettings
) -> SessionContents:
    """Collects the contents of a session file."""
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
    """Renders the video of a session into its folder and reports the progress.

    Between frames, waiting previews are computed first.

    Args:
        job: Receives the progress.
        worker: The worker that runs the job.
        model: The model.
        session: The photo's session.
        edits: Strokes and settings.
        settings: Settings of the video.
        animate: Makes the cinemagraph.

    Raises:
        InputError: If the photo cannot be animated with these edits.
    """
    contents = collect_contents(model, session, edits, settings)
    paths = {name.split(".")[0]: session.folder / name for name in contents.files}
    for name, data in contents.files.items():
        if name.startswith("mask_"):
            (session.folder / name).write_bytes(data)

    def pause() -> None:
        worker.run_urgent_jobs()
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
    io.write_video(file, frames(), fps=settings.fps, check=pause)
    session.video = file
    height, width = cinemagraph.photo.shape[2:]
    job.report({"type": "video", "bytes": file.stat().st_size, "width": width, "height": height})


def limit_size(settings: VideoSettings, size: tuple[int, int], limits: Limits) -> VideoSettings:
    """Limits the size of a video to that of its photo.

    Raises:
        InputError: If the video would exceed the server's limit.
    """
    side = min(settings.size or max(size), max(size))
    if side > limits.render_side:
        raise InputError(
            f"videos may be at most {limits.render_side} pixels wide or high, this one would be "
            f"{side}: choose a smaller size"
        )
    return replace(settings, size=None if side == max(size) else side)
