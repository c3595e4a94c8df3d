"""Settings of the app, as in configs/app.yaml."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PreviewSettings:
    """Settings of the preview; sides in pixels.

    Attributes:
        side: Longer side of the loop.
        num_frames: Length of the loop.
        working_side: Longer side at which mask and motion are computed.
        picture_side: Longer side of the picture on the page, on which strokes are drawn.
        quality: JPEG quality of the frames.
    """

    side: int = 512
    num_frames: int = 60
    working_side: int = 1024
    picture_side: int = 2048
    quality: int = 88


@dataclass(frozen=True)
class Limits:
    """Limits of one server.

    Attributes:
        upload_mib: Size of an uploaded photo or session file, in MiB.
        megapixels: Size of a photo, in megapixels.
        sessions: Number of sessions.
        idle_minutes: Minutes without a request after which a session expires.
        active_s: Seconds after a request in which a session makes no room for another.
        disk_mib: Total size of the files of all sessions, in MiB.
        render_side: Longer side of a video, in pixels.
        render_frames: Length of a video, in frames.
        connections: Number of concurrent connections.
        stall_s: Seconds without data after which an upload fails.
    """

    upload_mib: int = 64
    megapixels: float = 50.0
    sessions: int = 24
    idle_minutes: float = 60.0
    active_s: float = 60.0
    disk_mib: int = 4096
    render_side: int = 4096
    render_frames: int = 600
    connections: int = 64
    stall_s: float = 30.0
