"""FFmpeg's encoder and its options for each kind of video file."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Codec:
    """Encoder and container of one kind of video file.

    Attributes:
        container: FFmpeg's name of the file format.
        name: FFmpeg's name of the encoder.
        options: Options of the encoder.
        pixel_format: Pixel format of the encoder.
        alpha_pixel_format: Pixel format for frames with alpha, ``None`` without support.
        alpha_options: Further options of the encoder for frames with alpha.
        has_colour_tags: Whether colours are converted to BT.709 and tagged as such.
        needs_even_sides: Whether the encoder refuses odd sides, mostly because chroma is stored at
            half the resolution.
        smallest_side: Shortest side of a frame, in pixels.
        longest_side: Longest side of a frame, in pixels.
        container_options: Options of the container.
        loop_option: Container option of the number of times that an animation plays, 0 for ever.
        delay_option: Container option of the seconds for which the last frame is shown.
    """

    container: str
    name: str
    options: dict[str, str]
    pixel_format: str = "yuv420p"
    alpha_pixel_format: str | None = None
    alpha_options: dict[str, str] = field(default_factory=dict)
    has_colour_tags: bool = True
    needs_even_sides: bool = False
    smallest_side: int = 1
    longest_side: int = 16384
    container_options: dict[str, str] = field(default_factory=dict)
    loop_option: str | None = None
    delay_option: str | None = None


# 38 to 44 dB on photos. Two thirds of the processor time of "veryfast" at the same quality, in
# files 3 to 13 % larger; without mbtree, which spends more on what later frames refer to, they
# would be two to three times as large.
H264 = Codec(
    "mp4",
    "libx264",
    {"preset": "superfast", "crf": "17", "x264-params": "mbtree=1:rc-lookahead=10"},
    needs_even_sides=True,
    smallest_side=2,
    # Moves the index to the front, so that a browser plays while it loads.
    container_options={"movflags": "+faststart"},
)
# As fast as SVT-AV1's preset 10 at the same quality, and played by more browsers.
VP9 = Codec(
    "webm",
    "libvpx-vp9",
    {"deadline": "realtime", "cpu-used": "6", "crf": "20", "b": "0", "row-mt": "1"},
    alpha_pixel_format="yuva420p",
    # The alpha is a second stream, whose frames must coincide with those of the first.
    alpha_options={"auto-alt-ref": "0"},
    needs_even_sides=True,
    smallest_side=2,
    longest_side=65534,
)
# ProRes 4444, for editing: every frame is a key frame, and alpha has 16 bits.
PRORES = Codec(
    "mov",
    "prores_ks",
    {"profile": "4444", "vendor": "apl0"},
    pixel_format="yuv444p10le",
    alpha_pixel_format="yuva444p10le",
    needs_even_sides=True,  # although chroma has the full resolution
    smallest_side=2,
    container_options={"movflags": "+faststart"},
)
AV1_PICTURES = Codec(
    "avif",
    "libsvtav1",
    {"preset": "8", "crf": "25", "svtav1-params": "fast-decode=1"},
    needs_even_sides=True,
    smallest_side=4,
    loop_option="loop",
)
APNG = Codec(
    "apng",
    "apng",
    {"pred": "mixed"},
    pixel_format="rgb24",
    alpha_pixel_format="rgba",
    has_colour_tags=False,
    longest_side=65535,
    loop_option="plays",
    delay_option="final_delay",
)

CODECS = {
    ".mp4": H264,
    ".webm": VP9,
    ".mov": PRORES,
    ".avif": AV1_PICTURES,
    ".apng": APNG,
}
"""By the suffix of the file; GIF, WebP and folders of PNG have encoders of their own."""
