"""Videos as a browser plays them."""

import base64
import json

import numpy as np
import pytest

from stylecinegan import io
from stylecinegan.benchmarks.chromium import Chromium, find_chromium
from tests.io.moving import loop, with_alpha

pytestmark = [
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
    pytest.mark.xdist_group("browser"),
]

NUM_FRAMES = 12
LOAD = """
    document.querySelector("video").src = URL.createObjectURL(
        new Blob([Uint8Array.from(atob(DATA), (letter) => letter.charCodeAt(0))])
    )
"""
# Each frame that is presented: its time in the file, and a row of its pixels.
WATCH = """
(() => {
    const video = document.querySelector("video");
    const canvas = document.querySelector("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    window.seen = [];
    const look = (now, frame) => {
        context.clearRect(0, 0, canvas.width, canvas.height);
        context.drawImage(video, 0, 0);
        const row = context.getImageData(0, canvas.height >> 2, canvas.width, 1);
        seen.push([frame.mediaTime, [...row.data]]);
        video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    window.loops = () => seen.filter(([time], k) => k && time < seen[k - 1][0]).length;
    video.playbackRate = RATE;
    video.play();
})()
"""
# ImageDecoder is what the browser itself shows animated pictures with.
DECODE = """
(async () => {
    const bytes = Uint8Array.from(atob(DATA), (letter) => letter.charCodeAt(0));
    const decoder = new ImageDecoder({ data: bytes, type: TYPE });
    await decoder.tracks.ready;
    await decoder.completed;
    const track = decoder.tracks.selectedTrack;
    const canvas = document.querySelector("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const frames = [];
    for (let frameIndex = 0; frameIndex < track.frameCount; frameIndex++) {
        const { image } = await decoder.decode({ frameIndex });
        [canvas.width, canvas.height] = [image.displayWidth, image.displayHeight];
        context.drawImage(image, 0, 0);
        const row = context.getImageData(0, canvas.height >> 2, canvas.width, 1);
        frames.push([image.duration / 1e6, [...row.data]]);
    }
    return { repetitions: String(track.repetitionCount), frames };
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    with Chromium(folder) as browser:
        browser.folder = folder
        yield browser


def watch(browser, name, num_loops, *, rate=1.0):
    """Plays a looping video; what was presented, and the browser's own count of dropped frames."""
    page = browser.folder / "video.html"
    page.write_text("<video muted loop playsinline></video><canvas></canvas>")
    browser.open(page.as_uri())
    data = base64.b64encode((browser.folder / name).read_bytes()).decode()
    # A page may not look at the pixels of another file, only at those of its own data.
    browser.evaluate(LOAD.replace("DATA", json.dumps(data)))
    browser.wait("document.querySelector('video').readyState === 4")
    browser.evaluate(WATCH.replace("RATE", str(rate)))
    browser.wait(f"loops() >= {num_loops}", seconds=60)
    dropped = browser.evaluate(
        "document.querySelector('video').getVideoPlaybackQuality().droppedVideoFrames"
    )
    duration = browser.evaluate("document.querySelector('video').duration")
    seen = [(time, np.array(row).reshape(-1, 4)) for time, row in browser.evaluate("seen")]
    return seen, dropped, duration


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_twenty_loops_drop_no_frame_and_the_seam_is_a_step_like_the_others(browser, suffix):
    io.write_video(browser.folder / f"a{suffix}", loop(NUM_FRAMES), fps=24)
    # A busy machine drops frames of any video: what counts is that it need not.
    for _ in range(4):
        seen, dropped, duration = watch(browser, f"a{suffix}", 20)
        if dropped == 0:
            break
    assert dropped == 0
    assert duration == pytest.approx(NUM_FRAMES / 24, abs=1e-3)
    rows = {round(time * 24): row[:, :3].astype(float) for time, row in seen}
    assert sorted(rows) == list(range(NUM_FRAMES))
    rows[-1] = rows[NUM_FRAMES - 1]
    steps = [np.abs(rows[k] - rows[k - 1]).mean() for k in range(NUM_FRAMES)]  # the seam first
    assert min(steps) > 3
    assert steps[0] == pytest.approx(np.mean(steps[1:]), rel=0.1)


def test_a_video_with_alpha_is_transparent_in_a_page(browser):
    io.write_video(browser.folder / "alpha.webm", with_alpha(loop(NUM_FRAMES)), fps=24)
    seen, _, _ = watch(browser, "alpha.webm", 1)
    wanted = np.linspace(0, 255, 96)
    assert np.abs(seen[0][1][:, 3] - wanted).max() <= 6


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".avif", ".apng"])
def test_an_animated_picture_loops_for_ever_with_equal_steps(browser, suffix):
    path = browser.folder / f"a{suffix}"
    io.write_video(path, loop(NUM_FRAMES), fps=25)
    page = browser.folder / "pictures.html"
    page.write_text("<canvas></canvas>")
    browser.open(page.as_uri())
    kind = "png" if suffix == ".apng" else suffix[1:]
    data = base64.b64encode(path.read_bytes()).decode()
    decode = DECODE.replace("DATA", json.dumps(data)).replace("TYPE", json.dumps(f"image/{kind}"))
    result = browser.evaluate(decode)
    assert result["repetitions"] == "Infinity"
    durations, rows = zip(*result["frames"], strict=True)
    assert durations == pytest.approx([1 / 25] * NUM_FRAMES, abs=1.1e-3)
    rows = [np.array(row, float).reshape(-1, 4)[:, :3] for row in rows]
    steps = [np.abs(rows[k] - rows[k - 1]).mean() for k in range(NUM_FRAMES)]
    assert steps[0] == pytest.approx(np.mean(steps[1:]), rel=0.15)
