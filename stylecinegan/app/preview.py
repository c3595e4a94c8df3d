"""Preview: a small, short loop of the current edits."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from torch import Tensor

from stylecinegan import StyleCineGAN, io
from stylecinegan.app.edits import Edits
from stylecinegan.app.pictures import encode_jpeg, encode_png, resize_mask
from stylecinegan.app.sessions import Session
from stylecinegan.app.settings import PreviewSettings
from stylecinegan.app.worker import Job
from stylecinegan.appearance import StyleChange, read_style
from stylecinegan.appearance.target import find_target
from stylecinegan.errors import InputError
from stylecinegan.mask.corrections import correct_mask
from stylecinegan.mask.frame_borders import visible


def make_preview(
    job: Job, model: StyleCineGAN, session: Session, edits: Edits, settings: PreviewSettings
) -> None:
    """Computes mask and loop of a session's photo and reports them.

    Messages, in this order: ``("mask", PNG)``, ``{"type": "loop", "num_frames": N, …}`` and N
    times ``("frame", JPEG)``.

    Args:
        job: Receives the messages.
        model: The model.
        session: The photo's session.
        edits: Strokes and settings.
        settings: Size and length of the loop.

    Raises:
        InputError: If the mask is empty, or a motion control is invalid.
    """
    scene = session.scene_of(model, edits.region)
    job.check()
    predicted = scene.prediction.mask
    job.check()
    corrections = session.corrections(edits, predicted)
    if corrections is None:
        add = remove = None
    else:
        add, remove = (resize_mask(part, predicted) for part in corrections)
    mask = correct_mask(predicted, add=add, remove=remove)
    if session.working_opacity is not None:
        mask = mask * visible(session.working_opacity.to(mask))
    job.report(("mask", encode_png(to_grey(mask[0, 0].cpu().numpy()))))
    if not bool((mask > 0.5).any()):
        raise InputError("nothing moves yet: paint over what shall move with the brush “Moves”")
    strokes = (edits.region, edits.strokes)
    if session.painted_strokes != strokes:
        scene.paint(add=add, remove=remove)
        session.painted_strokes = strokes
    job.check()
    scene.motion(**motion_controls(edits))
    style = None
    if edits.has_style:
        style = style_change(model, session, edits)
    job.check()
    cinemagraph = scene.animate(
        settings.num_frames,
        size=settings.side,
        style=style,
        camera=edits.camera,  # type: ignore[arg-type]
        camera_amount=edits.camera_amount,
    )
    height, width = cinemagraph.photo.shape[2:]
    job.report(
        {
            "type": "loop",
            "num_frames": settings.num_frames,
            "width": width,
            "height": height,
            # Otherwise the page shows what stays as the sharp photo.
            "is_whole": edits.has_style or edits.camera != "none",
        }
    )
    for data in encode_frames(cinemagraph.frames, settings.quality):
        job.check()
        job.report(("frame", data))


def encode_frames(frames: Iterable[Tensor], quality: int) -> Iterator[bytes]:
    """Encodes frames as JPEG, each in a thread while the next one is rendered."""

    def encode(frame: Tensor) -> bytes:
        return encode_jpeg(io.to_uint8(frame).numpy(), quality)

    with ThreadPoolExecutor(1, thread_name_prefix="preview-encoder") as encoder:
        encoding: Future[bytes] | None = None
        for frame in frames:
            last, encoding = encoding, encoder.submit(encode, frame)
            if last is not None:
                yield last.result()
        if encoding is not None:
            yield encoding.result()


def motion_controls(edits: Edits) -> dict:
    """Arguments of :meth:`stylecinegan.Scene.motion`."""
    return {
        "arrows": edits.arrows,
        "anchors": edits.anchors,
        "text": edits.text,
        "speed": edits.speed,
        "speed_sky": edits.speed_sky,
        "speed_water": edits.speed_water,
    }


def style_change(model: StyleCineGAN, session: Session, edits: Edits) -> StyleChange:
    """Change of appearance towards the session's style picture.

    Raises:
        InputError: If the session has no style picture.
    """
    if session.style is None:
        raise InputError("there is no style picture: choose one")
    scene = session.scene
    assert scene is not None
    if session.style_codes is None:
        target = find_target(read_style(str(session.style)), model)
        session.style_codes = target.codes_for(model.generator, scene.inversion)
    change = StyleChange(session.style_codes, edits.style_strength)
    return replace(change, schedule=edits.style_schedule)  # type: ignore[arg-type]


def to_grey(mask: np.ndarray) -> np.ndarray:
    """Converts values in [0, 1] to uint8."""
    return np.rint(255.0 * np.clip(mask, 0.0, 1.0)).astype(np.uint8)
