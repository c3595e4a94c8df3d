"""The page in a real Chromium, against the real server."""

import json
import math
import subprocess
import sys
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from stylecinegan import io
from stylecinegan.benchmarks.chromium import find_chromium
from stylecinegan.benchmarks.visitor import SETTLED, Visitor
from tests.app.serving import Server, encode, landscape, picture_of, wait_until
from tests.processes import environment_of_tests, run_code

pytestmark = [
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
    pytest.mark.xdist_group("browser"),
]

CROSS = [(0.25, 0.1), (0.75, 0.3), (0.6, 0.2)]


@pytest.fixture(scope="module")
def visitor(shared_server, tmp_path_factory):
    with Visitor(tmp_path_factory.mktemp("visitor"), shared_server.address) as visitor:
        yield visitor
        assert visitor.problems == []
        strangers = [url for url in visitor.requests if not is_own(url, shared_server.address)]
        assert strangers == []


def is_own(url, address):
    return url.startswith((address, f"blob:{address}", "data:", "about:", "chrome:"))


@pytest.fixture
def page(visitor, server):
    """A fresh page with the example looping in it."""
    server.model.frame_s = 0.0
    visitor.evaluate("sessionStorage.clear()") if visitor.requests else None
    visitor.visit()
    return visitor


def edit(page, action):
    """Does something and waits for the loop that it brings."""
    before = page.num_loops()
    action()
    page.wait_for_loop(before)
    return page.edits()


def test_the_example_loops_when_the_page_opens_and_pauses(page):
    index = "stylecinegan.app.loop.index"
    assert page.evaluate("stylecinegan.app.loop.frames.length") == 4
    page.wait(f"{index} !== 0")
    page.press("#play")
    stopped = page.evaluate(index)
    time.sleep(0.3)
    assert page.evaluate(index) == stopped
    page.key(".")
    assert page.evaluate(index) == (stopped + 1) % 4
    page.key(",")
    assert page.evaluate(index) == stopped
    page.evaluate(
        """(frame => { frame.value = 3; frame.dispatchEvent(new Event("input")); })
        (document.querySelector("#frame"))"""
    )
    assert page.evaluate(index) == 3
    page.press("#play")
    page.wait(f"{index} !== 3")


def test_a_photo_that_is_opened_replaces_the_example(page, tmp_path):
    file = tmp_path / "my lake.png"
    file.write_bytes(encode(landscape(100, 200, seed=4)))
    edit(page, lambda: page.upload(file))
    session = page.evaluate("stylecinegan.app.session")
    assert (session["name"], session["width"], session["height"]) == ("my_lake", 200, 100)
    assert "my_lake" in page.evaluate("document.title")
    assert frame_of(page, 0).shape == (48, 96, 3)


def test_a_dropped_and_a_pasted_photo_open_as_well(page):
    make = """(type, field) => {
        const canvas = new OffscreenCanvas(96, 64);
        const context = canvas.getContext("2d");
        context.fillStyle = "#8cf";
        context.fillRect(0, 0, 96, 32);
        return canvas.convertToBlob().then(blob => {
            const data = new DataTransfer();
            data.items.add(new File([blob], `${type}.png`, { type: "image/png" }));
            const make = { drop: DragEvent, paste: ClipboardEvent }[type];
            dispatchEvent(new make(type, { [field]: data, bubbles: true, cancelable: true }));
        });
    }"""
    for kind, field in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        edit(page, lambda k=kind, f=field: page.evaluate(f"({make})({k!r}, {f!r})"))
        assert page.evaluate("stylecinegan.app.session.name") == kind


def test_a_stroke_changes_the_mask_and_undo_takes_it_back(page):
    page.choose("stays")
    before = mask_of(page)
    edits = edit(page, lambda: page.drag([(0.3, 0.1), (0.5, 0.1)]))
    (stroke,) = edits["strokes"]
    assert stroke["kind"] == "stays"
    assert stroke["points"][0] == pytest.approx((0.3, 0.1), abs=0.005)
    assert stroke["points"][-1] == pytest.approx((0.5, 0.1), abs=0.005)
    after = mask_of(page)
    assert after.sum() < before.sum()
    assert after[12, 64] == 0
    edit(page, lambda: page.key("z", modifiers=2))
    np.testing.assert_array_equal(mask_of(page), before)
    edit(page, lambda: page.press("#redo"))
    np.testing.assert_array_equal(mask_of(page), after)
    page.choose("erase")
    page.evaluate("Object.assign(stylecinegan.tools.brush, { size: 60, softness: 0 })")
    edit(page, lambda: page.drag([(0.2, 0.1), (0.6, 0.1)]))
    np.testing.assert_array_equal(mask_of(page), before)
    page.choose("moves")
    edits = edit(page, lambda: page.drag([(0.5, 0.95)]))
    assert (before[114, 80], mask_of(page)[114, 80]) == (0, 255)
    assert [s["kind"] for s in edits["strokes"]] == ["stays", "erase", "moves"]


def mask_of(page):
    """The mask as the page has it, [H, W]."""
    values = page.evaluate(
        """(canvas => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
            .data].filter((_, i) => i % 4 === 3))(stylecinegan.app.mask.moving)"""
    )
    width = page.evaluate("stylecinegan.app.mask.width")
    return np.array(values).reshape(-1, width)


def test_layers_that_are_kept_from_frame_to_frame_show_what_fresh_ones_would(page):
    different = page.evaluate(
        """(async () => {
            const { app } = stylecinegan;
            app.loop.play(false);
            // Inside the small canvases, whatever the size of the window.
            const at = (x, zoom = 1) => Object.create(app.view, {
                x: { value: x },
                y: { value: 20 },
                scale: { value: (zoom * 200) / app.view.photo.width },
            });
            const view = at(40);
            const paint = async (address, canvas, changes) => {
                const { paintStage } = await import(address);
                const context = canvas.getContext("2d", { willReadFrequently: true });
                const hints = { arrows: [], anchors: [], pending: [], draft: null, pointer: null };
                const shown = { ratio: 1, zoom: 1, showsMask: true, hintOpacity: 0 };
                paintStage(context, { ...app, view, ...hints, ...shown, ...changes });
                return context.getImageData(0, 0, canvas.width, canvas.height).data.join();
            };
            const { Mask } = await import("./page/contour.js");
            const mask = new Mask(8, 8, Uint8Array.from({ length: 64 }, (_, i) => 4 * i));
            const { width, height } = app.picture;
            const picture = new OffscreenCanvas(width, height);
            picture.getContext("2d").fillRect(0, 0, width / 2, height);
            const changes = [
                {}, { view: at(47) }, { view: at(40, 1.5) }, { mask }, { mask, zoom: 3 },
                { picture }, { ratio: 0.5 }, { showsMask: false }, {},
            ];
            const kept = new OffscreenCanvas(300, 200);
            const seen = new Set();
            const different = [];
            for (const [i, change] of changes.entries()) {
                if (i === 8) [kept.width, kept.height] = [260, 240];
                const fresh = new OffscreenCanvas(kept.width, kept.height);
                const wanted = await paint(`./page/painting.js?${i}`, fresh, change);
                seen.add(wanted);
                const found = await paint("./page/painting.js", kept, change);
                if (found !== wanted) different.push(i);
            }
            return { different, count: seen.size };
        })()"""
    )
    assert different == {"different": [], "count": 9}


def test_an_arrow_is_one_drag_and_bends_with_it(page):
    page.choose("arrow")
    straight = edit(page, lambda: page.drag([(0.7, 0.15), (0.3, 0.15)]))["arrows"][0]
    assert np.array(straight) == pytest.approx(np.array([(0.7, 0.15), (0.3, 0.15)]), abs=0.005)
    bent = edit(page, lambda: page.drag([(0.2, 0.3), (0.4, 0.25), (0.6, 0.3)]))["arrows"][1]
    assert 3 <= len(bent) <= 12
    assert min(y for _, y in bent) == pytest.approx(0.25, abs=0.01)
    assert bent[0] == pytest.approx((0.2, 0.3), abs=0.005)
    assert bent[-1] == pytest.approx((0.6, 0.3), abs=0.005)
    # Its tip is moved, the rest stays; then it is deleted.
    moved = edit(page, lambda: page.drag([(0.3, 0.15), (0.4, 0.05)]))["arrows"][0]
    assert moved[0] == pytest.approx((0.7, 0.15), abs=0.005)
    assert moved[-1] == pytest.approx((0.4, 0.05), abs=0.01)
    assert len(edit(page, lambda: page.key("Delete"))["arrows"]) == 1
    assert len(edit(page, lambda: page.press("#hints button"))["arrows"]) == 0


def test_a_pin_is_set_moved_and_deleted(page):
    page.choose("anchor")
    edits = edit(page, lambda: page.drag([(0.4, 0.2)]))
    assert edits["anchors"] == [pytest.approx((0.4, 0.2), abs=0.005)]
    edits = edit(page, lambda: page.drag([(0.4, 0.2), (0.6, 0.1)]))
    assert edits["anchors"] == [pytest.approx((0.6, 0.1), abs=0.01)]
    edits = edit(page, lambda: page.press("#delete"))
    assert edits["anchors"] == []


def set_value(page, selector, value, event="change"):
    page.evaluate(
        f"""(field => {{
            field.value = {json.dumps(value)};
            field.dispatchEvent(new Event({json.dumps(event)}, {{ bubbles: true }}));
        }})(document.querySelector({json.dumps(selector)}))"""
    )


def test_words_and_speeds_reach_the_server_and_a_wrong_word_is_explained(page, server):
    edits = edit(page, lambda: set_value(page, "#text", "clouds drift left"))
    assert edits["text"] == "clouds drift left"
    edits = edit(page, lambda: set_value(page, "#speed", "2.5"))
    assert edits["speed"] == 2.5
    path = f"/api/sessions/{page.evaluate('stylecinegan.app.session.id')}"
    arrived = json.loads(server.ask("GET", path)[2])["edits"]
    assert (arrived["text"], arrived["speed"]) == ("clouds drift left", 2.5)
    set_value(page, "#text", "clouds sing")
    page.wait("document.querySelector('#status').classList.contains('error')")
    assert "Unknown word 'sing'" in page.status()
    edit(page, lambda: page.press("#undo"))
    assert page.status() == ""


def test_a_style_is_taken_from_a_picture_and_given_back(page, tmp_path):
    plain = frame_of(page, 2)
    file = tmp_path / "dusk.png"
    file.write_bytes(encode(landscape(80, 80, seed=7)))
    edits = edit(page, lambda: page.upload(file, selector="#style-file"))
    assert edits["has_style"]
    assert page.evaluate("stylecinegan.app.loop.isWhole")
    styled = np.abs(frame_of(page, 2) - plain).mean()  # half-way there
    assert styled > 0.2  # faint: the model is untrained
    edits = edit(page, lambda: set_value(page, "#style_strength", "2"))
    assert edits["style_strength"] == 2
    assert np.abs(frame_of(page, 2) - plain).mean() > 1.1 * styled
    page.wait("document.querySelector('#style-picture').naturalWidth === 80")
    edits = edit(page, lambda: page.press("#style-remove"))
    assert not edits["has_style"]
    np.testing.assert_array_equal(frame_of(page, 2), plain)


def frame_of(page, index):
    """A frame of the page's loop, [H, W, 3]."""
    values = page.evaluate(
        f"""(frame => {{
            const canvas = new OffscreenCanvas(frame.width, frame.height).getContext("2d");
            canvas.drawImage(frame, 0, 0);
            const {{ data }} = canvas.getImageData(0, 0, frame.width, frame.height);
            return [frame.width, ...data.filter((_, i) => i % 4 < 3)];
        }})(stylecinegan.app.loop.frames[{index}])"""
    )
    return np.array(values[1:], int).reshape(-1, values[0], 3)


def test_the_camera_moves_in_the_loop_and_stands_while_something_is_drawn(page):
    plain = frame_of(page, 2)
    is_shown = "!document.querySelector('#camera-way').hidden"
    assert not page.evaluate(is_shown)
    edits = edit(page, lambda: set_value(page, "#camera", "push"))
    assert (edits["camera"], edits["camera_amount"]) == ("push", 0.05)
    assert page.evaluate(is_shown)
    pushed = frame_of(page, 2)  # the closest one of four
    ground = np.s_[-18:]
    near = np.abs(pushed - plain)[ground].mean()
    assert near > 3  # what stays moves as well
    edits = edit(page, lambda: set_value(page, "#camera_amount", "0.15"))
    assert edits["camera_amount"] == 0.15
    assert np.abs(frame_of(page, 2) - plain)[ground].mean() > 1.2 * near
    before = page.num_loops()
    page.choose("stays")
    page.wait_for_loop(before)
    np.testing.assert_array_equal(frame_of(page, 2), plain)
    assert "the camera stands still" in page.evaluate("document.querySelector('#hint').textContent")
    edit(page, lambda: page.drag([(0.3, 0.1), (0.5, 0.1)]))
    assert not page.evaluate("stylecinegan.app.loop.hasCamera")
    edits = edit(page, lambda: set_value(page, "#camera_amount", "0.05"))  # to be seen, as a whole
    assert page.evaluate("stylecinegan.tools.tool") == "view"
    page.wait("stylecinegan.app.loop.hasCamera")
    for _ in range(3):
        edits = edit(page, lambda: page.press("#undo"))
    assert (edits["camera"], edits["strokes"]) == ("push", [])
    edits = edit(page, lambda: page.press("#undo"))
    assert edits["camera"] == "none"
    np.testing.assert_array_equal(frame_of(page, 2), plain)


def test_an_upload_shows_its_progress_and_is_replaced_by_a_newer_photo(page, tmp_path):
    large, small = tmp_path / "large.png", tmp_path / "small.png"
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
    large.write_bytes(encode(noise))
    small.write_bytes(encode(landscape(100, 200, seed=4)))
    network = {"offline": False, "latency": 0, "downloadThroughput": -1}
    told = "/Opening the photo… [1-9]\\d? %/.test(document.querySelector('#status').textContent)"
    before = page.evaluate("stylecinegan.app.session.id")
    page.call("Network.emulateNetworkConditions", **network, uploadThroughput=20_000)
    page.upload(large)  # half a minute
    page.wait(told)
    page.key("Escape")
    assert page.status() == ""
    page.upload(large)
    page.wait(told)
    edit(page, lambda: page.upload(small))
    page.call("Network.emulateNetworkConditions", **network, uploadThroughput=-1)
    assert page.evaluate("stylecinegan.app.session.name") == "small"
    assert page.evaluate("stylecinegan.app.session.id") != before


def test_a_broken_upload_is_explained_and_the_photo_stays(page, tmp_path):
    file = tmp_path / "lake.jpg"
    file.write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    before = page.evaluate("stylecinegan.app.session.id")
    page.upload(file)
    page.wait("document.querySelector('#status').classList.contains('error')")
    assert "a web page or another marked-up text" in page.status()
    assert page.evaluate("stylecinegan.app.session.id") == before
    assert page.evaluate("stylecinegan.app.loop.frames.length") == 4
    page.problems.clear()  # the browser logs the refusal itself


@pytest.mark.parametrize("kind", ["mp4", "webm", "webp", "gif"])
def test_a_video_of_each_kind_is_made_and_saved(page, kind):
    page.press("#export")
    set_value(page, "#video-frames", "3", "input")
    page.press(f"input[value={kind}]")
    page.press("#video-start")
    page.wait("!document.querySelector('#video-save').hidden", 60)
    assert "Done: 160 × 120" in page.evaluate("document.querySelector('#video-news').textContent")
    page.press("#video-save")
    file = page.wait_for_download(f"*.{kind}")
    assert file.name == f"example.{kind}"
    if kind in ("webp", "gif"):
        assert Image.open(file).n_frames in (2, 3)  # frames that are alike become one
    else:
        assert len(list(io.read_video(file))) == 3
    page.key("Escape")


def test_a_video_can_be_cancelled_and_made_again(page, server):
    server.model.frame_s = 0.05
    page.press("#export")
    set_value(page, "#video-frames", "500", "input")
    page.press("#video-start")
    page.wait("document.querySelector('#video-news').textContent.startsWith('Frame')")
    page.press("#video-cancel")
    page.wait("document.querySelector('#video-news').textContent === 'Cancelled.'")
    page.wait("!document.querySelector('#video-start').hidden")
    wait_until(lambda: not server.app.worker.is_busy)
    count = server.model.num_frames
    time.sleep(0.3)
    assert server.model.num_frames == count
    server.model.frame_s = 0.0
    set_value(page, "#video-frames", "3", "input")
    page.press("#video-start")
    page.wait("!document.querySelector('#video-save').hidden")
    assert server.model.num_frames > count
    page.key("Escape")


def test_the_command_is_copied_and_the_saved_session_opens_with_its_edits_and_video_settings(page):
    page.choose("stays")
    edit(page, lambda: page.drag([(0.3, 0.1), (0.5, 0.1)]))
    page.press("#export")
    set_value(page, "#video-frames", "3", "input")
    page.key("Escape")
    edit(page, lambda: set_value(page, "#camera", "push"))
    page.call("Browser.grantPermissions", permissions=["clipboardReadWrite"])
    page.press("#copy")
    line = "stylecinegan generate session=example.stylecinegan"
    copied = f"document.querySelector('#status').textContent === 'Copied: {line}'"
    # Without a clipboard, as on a page without a certificate, the line is shown.
    page.wait(f"{copied} || document.querySelector('#command-line').value === '{line}'")
    page.evaluate("document.querySelector('#command').close()")
    session = page.wait_for_download("*.stylecinegan")
    edit(page, lambda: page.press("#undo"))
    edit(page, lambda: page.upload(session))
    assert [stroke["kind"] for stroke in page.edits()["strokes"]] == ["stays"]
    assert page.evaluate("document.querySelector('#camera').value") == "push"
    assert page.evaluate("document.querySelector('#video-frames').value") == "3"


def test_a_reloaded_page_goes_on_where_it_was_and_a_second_tab_is_its_own(page, server, tmp_path):
    page.choose("arrow")
    edit(page, lambda: page.drag([(0.7, 0.15), (0.3, 0.15)]))
    first = page.evaluate("stylecinegan.app.session.id")
    page.open(page.address)
    page.wait_for_loop()
    assert page.evaluate("stylecinegan.app.session.id") == first
    assert len(page.edits()["arrows"]) == 1
    with Visitor(tmp_path, server.address) as other:
        other.visit()
        assert other.evaluate("stylecinegan.app.session.id") != first
        assert other.edits()["arrows"] == []
        other.choose("anchor")
        edit(other, lambda: other.drag([(0.4, 0.2)]))
    assert page.edits()["anchors"] == []


def test_two_tabs_of_one_session_show_their_own_edits_and_no_error(page, server, tmp_path):
    session = page.evaluate("stylecinegan.app.session.id")
    with Visitor(tmp_path, server.address) as other:
        other.visit()
        # As in a tab that was duplicated.
        other.evaluate(f"sessionStorage.setItem('session', {session!r})")
        other.visit()
        assert other.evaluate("stylecinegan.app.session.id") == session
        server.model.frame_s = 1.0  # so that the other tab interrupts this one
        page.choose("arrow")
        frames = server.model.num_frames
        page.drag([(0.7, 0.15), (0.3, 0.15)])
        wait_until(lambda: server.model.num_frames > frames)
        other.choose("anchor")
        before = other.num_loops()
        other.drag([(0.4, 0.2)])
        page.wait("document.querySelector('#status').hidden")
        server.model.frame_s = 0.0
        other.wait_for_loop(before)
        assert other.edits()["arrows"] == []
        assert other.problems == []
    edits = edit(page, lambda: page.drag([(0.6, 0.25), (0.3, 0.3)]))
    assert len(edits["arrows"]) == 2
    assert edits["anchors"] == []


def test_another_site_in_the_same_browser_reaches_nothing(server, photo, tmp_path):
    session = server.open(photo)["id"]
    count = len(server.app.sessions)
    (tmp_path / "index.html").write_text("<title>another site</title>")
    handler = partial(QuietHandler, directory=str(tmp_path))
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as site,
        Visitor(tmp_path / "visitor", server.address) as visitor,
    ):
        Thread(target=site.serve_forever, daemon=True).start()
        visitor.open(f"http://localhost:{site.server_port}/")
        outcomes = visitor.evaluate(
            f"""(async () => {{
                const attempts = [
                    ["?example", {{ method: "POST", mode: "no-cors" }}],
                    ["?example", {{ method: "POST", headers: {{ "x-stylecinegan": "1" }} }}],
                    ["/{session}", {{}}],
                    ["/{session}", {{ method: "DELETE" }}],
                ].map(([path, options]) =>
                    fetch(`{server.address}api/sessions${{path}}`, options).then(
                        (answer) => answer.type, () => "refused"));
                const picture = new Image();
                picture.src = "{server.address}api/sessions/{session}/photo";
                attempts.push(picture.decode().then(() => "shown", () => "refused"));
                return Promise.all(attempts);
            }})()"""
        )
        site.shutdown()
    assert outcomes == ["refused"] * 5
    assert len(server.app.sessions) == count
    assert server.ask("GET", f"/api/sessions/{session}")[0] == 200


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def test_a_forgotten_session_is_opened_again_with_everything_drawn(page, server):
    page.choose("arrow")
    edit(page, lambda: page.drag([(0.7, 0.15), (0.3, 0.15)]))
    first = page.evaluate("stylecinegan.app.session.id")
    server.app.sessions.remove(server.app.sessions.find(first))
    edits = edit(page, lambda: page.drag([(0.6, 0.25), (0.3, 0.3)]))
    assert page.evaluate("stylecinegan.app.session.id") != first
    assert len(edits["arrows"]) == 2
    page.problems.clear()  # the browser logs the refusal itself


def test_everything_can_be_drawn_with_the_keyboard_alone(page):
    page.evaluate("document.querySelector('#stage').focus()")
    page.key("s")
    page.key("Enter")  # the cross appears in the middle
    edits = edit(page, lambda: page.key("Enter"))
    assert edits["strokes"][0]["points"] == [[0.5, 0.5]]
    for _ in range(8):
        page.key("ArrowUp")
    edits = edit(page, lambda: page.key("Enter"))
    assert edits["strokes"][1]["points"][0][1] < 0.45
    page.key("a")
    for _ in range(10):
        page.key("ArrowUp")
    page.key("Enter")
    for _ in range(6):
        page.key("ArrowRight")
    edits = edit(page, lambda: page.key("Enter"))
    (start, tip) = edits["arrows"][0]
    assert tip[0] > start[0]
    assert tip[1] == start[1]
    page.key("n")
    edits = edit(page, lambda: page.key("Enter"))
    assert edits["anchors"] == [tip]


@pytest.mark.parametrize("width", [360, 1280, 2560, 3840])
def test_no_button_is_cut_off_from_phones_to_4k(page, width):
    page.resize(width, {360: 740, 3840: 2160}.get(width, 1100), is_phone=width == 360)
    page.wait(f"innerWidth === {width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    hidden = page.evaluate(
        """[...document.querySelectorAll("header :is(button, .button), :is(nav, #player) button")]
        .filter(e => e.offsetParent).filter(e => {
            const box = e.getBoundingClientRect();
            return box.left < 0 || box.right > innerWidth || box.top < 0 ||
                box.bottom > innerHeight;
        }).map(e => e.id || e.dataset.tool)"""
    )
    assert hidden == []


CONTROLS = "button, .button, select, label.check, input, fieldset label"


@pytest.mark.parametrize(("width", "height"), [(360, 740), (820, 1180), (1280, 800)])
def test_controls_are_large_enough_for_fingers(page, width, height):
    """At least 40 pixels each way (WCAG 2.5.8 asks for 24)."""
    page.visit(width, height, is_phone=True, ratio=2)
    page.choose("arrow", by_touch=True)
    edit(page, lambda: page.drag([(0.7, 0.15), (0.3, 0.15)], by_touch=True))
    page.wait("!document.querySelector('#delete').hidden")
    page.choose("stays", by_touch=True)
    if page.evaluate("document.querySelector('#adjust').offsetParent !== null"):
        page.press("#adjust", by_touch=True)
    for dialog in (None, "#export"):
        if dialog:
            page.press(dialog, by_touch=True)
        small = page.evaluate(
            f"""[...document.querySelectorAll({CONTROLS!r})].filter(
                e => e.offsetParent && !e.matches(".unseen, [type=checkbox], [type=radio]")
            ).map(e => [e.id || e.dataset.tool || e.textContent.trim(), e.getBoundingClientRect()])
            .filter(([, box]) => box.width < 40 || box.height < 40)
            .map(([name, box]) => `${{name}} ${{box.width}}x${{box.height}}`)"""
        )
        assert small == []
    page.key("Escape")
    page.resize(1280, 800)


@pytest.mark.parametrize("is_dark", [True, False])
def test_text_has_enough_contrast_with_its_background(page, is_dark):
    """At a contrast of 4.5 or more (WCAG AA), computed from the colours of the style sheet."""
    page.visit(dark=is_dark)
    page.choose("stays")
    page.press("#export")
    faint = page.evaluate(
        """(() => {
            const paint = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
            const read = (...layers) => {
                for (const layer of layers) { paint.fillStyle = layer; paint.fillRect(0, 0, 1, 1); }
                return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
            };
            const luminance = (colour) => colour
                .map((value) => value / 255)
                .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
                .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
            const found = [];
            for (const e of document.querySelectorAll("body *")) {
                const words = e.matches("input:not([type=range]), select") ||
                    [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
                if (!words || !e.offsetParent || e.closest(":disabled, .unseen, option")) continue;
                const behind = [];
                for (let at = e; at; at = at.parentElement) {
                    behind.unshift(getComputedStyle(at).backgroundColor);
                }
                for (const part of [null, ...(e.placeholder ? ["::placeholder"] : [])]) {
                    const { color, opacity } = getComputedStyle(e, part);
                    const [a, b] = [read(...behind, color), read(...behind)].map(luminance);
                    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                    if (contrast >= 4.5 && Number(opacity) === 1) continue;
                    found.push(`${e.tagName} ${e.id} ${e.textContent} ${contrast.toFixed(2)}`);
                }
            }
            return found;
        })()"""
    )
    assert faint == []
    page.key("Escape")
    page.visit()


def test_before_the_first_photo_nothing_can_be_set_and_nothing_breaks(page):
    page.evaluate("sessionStorage.clear()")
    page.call("Network.setBlockedURLs", urls=["*/api/sessions*"])
    page.open(page.address)
    page.wait("document.querySelector('#status').classList.contains('error')")
    assert page.status() == "The server cannot be reached. Trying again…"
    assert page.evaluate("document.querySelector('#export').disabled")
    assert page.evaluate("[...document.querySelectorAll('[inert]')].map(e => e.id)") == [
        *("tools", "player", "panel")
    ]
    page.key("b")
    page.mouse("mousePressed", 300, 300)
    page.mouse("mouseMoved", 400, 300)
    page.mouse("mouseReleased", 400, 300)
    page.key("z", modifiers=2)
    assert page.evaluate("stylecinegan.app.history.past.length") == 0
    page.call("Network.setBlockedURLs", urls=[])
    page.wait_for_loop()
    assert not page.evaluate("document.querySelector('#export').disabled")
    page.problems[:] = [p for p in page.problems if p.get("source") != "network"]


def test_on_a_phone_one_finger_draws_and_two_zoom(page):
    page.visit(360, 740, is_phone=True, ratio=3)
    page.choose("arrow", by_touch=True)
    drawn = edit(page, lambda: page.drag([(0.7, 0.15), (0.3, 0.15)], by_touch=True))["arrows"]
    assert np.array(drawn[0]) == pytest.approx(np.array([(0.7, 0.15), (0.3, 0.15)]), abs=0.01)
    scale = page.evaluate("stylecinegan.app.view.scale")
    x, y = page.place_of((0.5, 0.5))
    page.touch("touchStart", (x - 20, y))
    page.touch("touchStart", (x - 20, y), (x + 20, y))
    for step in range(1, 9):
        page.touch("touchMove", (x - 20 - 5 * step, y), (x + 20 + 5 * step, y))
    page.touch("touchEnd")
    assert page.evaluate("stylecinegan.app.view.scale") == pytest.approx(3 * scale, rel=0.05)
    assert page.place_of((0.5, 0.5)) == pytest.approx((x, y), abs=2)
    assert page.edits()["arrows"] == drawn  # the first finger drew nothing
    page.press("#adjust", by_touch=True)
    page.wait("getComputedStyle(document.querySelector('#panel')).visibility === 'visible'")
    page.press("#adjust", by_touch=True)


# Correctness of space

TURNS = {  # from how a photo is held to how it is stored
    1: [],
    2: [Image.Transpose.FLIP_LEFT_RIGHT],
    3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.TRANSPOSE],
    6: [Image.Transpose.ROTATE_90],
    7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_270],
}
WINDOWS = [  # width, height, whether it is a phone, pixels of the screen in one of the window
    *((360, 740, True, ratio) for ratio in (2, 3)),
    *((820, 600, True, ratio) for ratio in (1, 1.5)),
    *((1280, 800, False, ratio) for ratio in (1, 1.25)),
    (2100, 1050, False, 1),  # where the page is drawn larger
]
RADIUS = 4.0  # of a stroke, in pixels of the photo
SHARES = st.floats(0.12, 0.88)


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    size=st.tuples(st.integers(50, 150), st.integers(50, 150)),
    orientation=st.sampled_from(sorted(TURNS)),
    window=st.sampled_from(WINDOWS),
    zoom=st.floats(0.8, 8.0),
    around=st.tuples(SHARES, SHARES),
    target=st.tuples(SHARES, SHARES),
    place=st.tuples(st.floats(0.4, 0.6), st.floats(0.4, 0.6)),
    angle=st.floats(0.0, 2 * math.pi),
)
def test_what_is_drawn_lands_on_the_photo_pixels_it_was_drawn_over(
    page, tmp_path, size, orientation, window, zoom, around, target, place, angle
):
    """A stroke and an arrow, to a pixel of the screen, over a mark that the photo shows there."""
    (height, width), (*shape, is_phone, ratio) = size, window
    centre = np.array(target) * (width, height)
    away = np.hypot(
        np.arange(width) + 0.5 - centre[0], np.arange(height)[:, None] + 0.5 - centre[1]
    )
    upright = np.full((height, width, 3), 230, np.uint8)  # all of it moves
    upright[away < 0.7 * RADIUS] = (200, 0, 0)  # but for the mark
    page.evaluate("stylecinegan.app.loop.play(false)")
    page.resize(*shape, is_phone=is_phone, ratio=ratio)
    upload_turned(page, tmp_path / "photo.png", upright, orientation)
    page.evaluate(
        f"""(view => {{
            const {{ width, height }} = view.stage;
            view.zoom({zoom}, {around[0]} * width, {around[1]} * height);
            const [x, y] = view.toStage({centre[0]}, {centre[1]});
            view.pan({place[0]} * width - x, {place[1]} * height - y);
            stylecinegan.app.showsPhoto = true;
            stylecinegan.app.redraw();
        }})(stylecinegan.app.view)"""
    )
    scale = page.evaluate("stylecinegan.app.view.scale")
    red, _, blue = colour_at(page, target)
    assert red - blue > 60  # the mark is where the page says
    page.evaluate(
        f"""Object.assign(stylecinegan.tools.brush, {{
            size: {RADIUS * scale} / stylecinegan.app.zoom, softness: 0, follows_edges: false
        }})"""
    )
    page.choose("stays", by_touch=is_phone)
    page.drag([target], by_touch=is_phone)
    page.choose("arrow", by_touch=is_phone)
    step = 50 / scale * np.array([math.cos(angle), math.sin(angle)])
    tip = (centre + step) / (width, height)
    page.drag([target, tuple(tip)], by_touch=is_phone)
    # An arrow that ends on the mark is refused, in a message that stays for a while.
    page.wait(
        """(status => status.hidden || !status.classList.contains("busy"))
            (document.querySelector("#status")) && !stylecinegan.app.pending.length"""
    )

    edits, pixel = page.edits(), 1.0 / scale  # of the screen, in pixels of the photo
    wanted = np.array([target, np.clip(tip, 0.0, 1.0)]) * (width, height)
    drawn = np.array([edits["arrows"][0][0], edits["arrows"][0][-1]]) * (width, height)
    assert np.hypot(*(drawn - wanted).T).max() < pixel
    assert (
        np.hypot(*(np.array(edits["strokes"][0]["points"][0]) * (width, height) - centre)) < pixel
    )
    still = mask_of(page) < 128
    assert still.shape == size
    assert still[away < RADIUS - 0.75 - pixel].all()
    assert not still[away > RADIUS + 0.75 + pixel].any()


def upload_turned(page, file, upright, orientation):
    """Opens a photo that is stored turned or mirrored, as its EXIF entry says."""
    stored = Image.fromarray(upright)
    for turn in TURNS[orientation]:
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[274] = orientation
    stored.save(file, exif=exif)
    before = page.evaluate("stylecinegan.app.session.id")
    page.upload(file)
    page.wait(f"stylecinegan.app.session.id !== {before!r}")
    height, width = upright.shape[:2]
    assert page.evaluate("stylecinegan.app.view.photo") == {"width": width, "height": height}
    page.wait(
        """(({ view }) => view.stage.width === document.querySelector("#stage")
            .getBoundingClientRect().width)(stylecinegan.app)"""
    )
    page.evaluate("stylecinegan.app.view.fit()")


def colour_at(page, share):
    """The colour that the stage shows at a place of the photo."""
    page.evaluate(SETTLED)
    return page.evaluate(
        f"""(({{ view }}) => {{
            const x = {share[0]} * view.photo.width, y = {share[1]} * view.photo.height;
            const place = view.toStage(x, y).map((at) => Math.floor(at * devicePixelRatio));
            const copy = new OffscreenCanvas(1, 1).getContext("2d");
            copy.drawImage(document.querySelector("#stage"), -place[0], -place[1]);
            return [...copy.getImageData(0, 0, 1, 1).data].slice(0, 3);
        }})(stylecinegan.app)"""
    )


# The same as the command line's


def test_the_app_and_the_command_make_the_same_video_of_a_session(tmp_path):
    """With the default model, in two processes: the same bytes."""
    code = "from stylecinegan.cli.main import main; main()"
    log = tmp_path / "log"
    with log.open("w") as stream:
        serving = subprocess.Popen(
            [sys.executable, "-c", code, "app", "--no-browser", "--port", "0"],
            env=environment_of_tests(),
            stdout=stream,
            stderr=stream,
        )
    try:
        wait_until(lambda: "http://" in log.read_text(), 200)
        port = int(log.read_text().split("127.0.0.1:")[1].split("/")[0])
        client = Server.__new__(Server)  # only its requests
        client.port = port
        session = client.open(encode(landscape(96, 128)), "lake.png")
        stays = {"kind": "stays", "points": [[0.2, 0.1], [0.4, 0.15]], "radius": 0.05}
        edits = {"strokes": [stays], "arrows": [[[0.8, 0.1], [0.5, 0.2], [0.3, 0.1]]]}
        edits |= {"anchors": [[0.6, 0.2]], "text": "clouds drift left, slow", "speed": 2.0}
        edits |= {"camera": "slide", "camera_amount": 0.12}
        video = {"format": "gif", "num_frames": 3, "size": 112}
        path = f"/api/sessions/{session['id']}"
        messages = client.render(session["id"], edits, video)
        assert messages[-1] == {"type": "done"}, messages
        from_page = client.ask("GET", f"{path}/video")[2]
        body = {"edits": edits, "video": video}
        (tmp_path / "saved.stylecinegan").write_bytes(client.ask("POST", f"{path}/file", body)[2])
    finally:
        serving.terminate()
        serving.wait(60)
    done = run_code(code, "generate", "session=saved.stylecinegan", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "lake.gif").read_bytes() == from_page
    assert picture_of(from_page).shape[:2] == (84, 112)
