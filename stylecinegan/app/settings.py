"""Settings of the app, as in configs/app.yaml."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PreviewSettings:
    """The loop that plays while one draws.

    Attributes:
        side: Its longer side.
        num_frames: Its length.
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
        upload_mib: Size of a photo's or a session's file.
        megapixels: Of a photo.
        sessions: How many are kept at once.
        idle_minutes: After so long without a request a session is forgotten.
        disk_mib: Size of the files of all sessions.
        render_side: Longer side of a video.
        render_frames: Length of a video.
        connections: At once.
        stall_s: Seconds in which a client that uploads has to send something.
    """

    upload_mib: int = 64
    megapixels: float = 50.0
    sessions: int = 24
    idle_minutes: float = 60.0
    disk_mib: int = 4096
    render_side: int = 4096
    render_frames: int = 600
    connections: int = 64
    stall_s: float = 30.0
