"""The page while the server is away, full or silent, in a real Chromium."""

import contextlib
import socket
import time

import numpy as np
import pytest

from stylecinegan.app import responses
from stylecinegan.app.settings import Limits
from stylecinegan.benchmarks.chromium import find_chromium
from stylecinegan.benchmarks.visitor import Visitor
from tests.app.relay import Relay
from tests.app.serving import Server, encode, landscape, wait_until

pytestmark = [
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
    pytest.mark.xdist_group("browser"),
]

LOST = "The server cannot be reached."
SILENT = "The server has stopped answering."
FULL = "The server is full: as many photos are open as it can hold."
AGAIN = " Trying again…"
NEWS = "document.querySelector('#video-news').textContent"


@pytest.fixture(scope="module")
def app(example):
    with Server(example, hosts=["127.0.0.1"]) as server:
        yield server


@pytest.fixture(scope="module")
def browser(app, tmp_path_factory):
    with Visitor(tmp_path_factory.mktemp("visitor"), app.address) as visitor:
        yield visitor


@pytest.fixture
def relay(app):
    with Relay(app.port) as relay:
        yield relay
    app.model.frame_s = app.model.mask_layer.seconds = 0.0


@pytest.fixture
def page(browser, relay):
    """A page with the example looping in it, which soon tries again."""
    browser.address = relay.address
    browser.visit()
    browser.evaluate("stylecinegan.timeouts.retry = 100")
    return browser


def wait_for_status(page, text):
    page.wait(f"document.querySelector('#status').textContent === {text!r}", 60)
    assert page.status() == text


def drag_arrow(page, top=0.15):
    page.choose("arrow")
    page.drag([(0.7, top), (0.3, top)])


def test_a_server_that_goes_away_while_a_loop_is_made_is_reported_and_the_loop_comes_later(
    app, relay, page
):
    app.model.frame_s = 0.2
    before, frames = page.num_loops(), app.model.num_frames
    drag_arrow(page)
    wait_until(lambda: app.model.num_frames > frames)
    relay.stop()
    wait_for_status(page, LOST + AGAIN)
    drag_arrow(page, 0.25)  # one goes on drawing
    app.model.frame_s = 0.0
    relay.start()
    page.wait_for_loop(before)
    page.wait("document.querySelector('#status').hidden")
    assert len(page.edits()["arrows"]) == 2


def test_a_server_that_goes_away_during_a_stroke_gets_the_stroke_later(relay, page):
    page.choose("stays")
    before = page.num_loops()
    ends = [page.place_of(share) for share in ((0.3, 0.1), (0.5, 0.1))]
    page.mouse("mousePressed", *ends[0])
    relay.stop()
    page.mouse("mouseMoved", *ends[1])
    page.mouse("mouseReleased", *ends[1])
    wait_for_status(page, LOST + AGAIN)
    assert page.evaluate("stylecinegan.app.pending.length") == 1  # is still to be seen
    relay.start()
    page.wait_for_loop(before)
    assert page.evaluate("stylecinegan.app.pending.length") == 0
    (stroke,) = page.edits()["strokes"]
    assert stroke["kind"] == "stays"
    opacity = page.evaluate(
        """stylecinegan.app.mask.moving.getContext("2d").getImageData(64, 12, 1, 1).data[3]"""
    )
    assert opacity == 0  # where the stroke is, the server's mask has become static


def test_a_cancelled_request_that_arrives_after_a_newer_one_does_not_cost_the_loop(
    app, relay, page
):
    app.model.frame_s = 0.2
    before, frames = page.num_loops(), app.model.num_frames
    relay.holds_next = True
    drag_arrow(page)
    wait_until(lambda: not relay.holds_next)
    drag_arrow(page, 0.25)
    wait_until(lambda: app.model.num_frames > frames)
    relay.release()
    page.wait_for_loop(before)
    page.wait("document.querySelector('#status').hidden")
    assert len(page.edits()["arrows"]) == 2


def test_a_server_that_falls_silent_is_reported_and_asked_again(app, relay, page):
    page.evaluate("stylecinegan.timeouts.silence = 500")
    before = page.num_loops()
    relay.is_silent = True
    drag_arrow(page)
    wait_for_status(page, SILENT + AGAIN)
    relay.is_silent = False
    page.wait_for_loop(before)
    page.wait("document.querySelector('#status').hidden")


def test_a_server_that_is_only_slow_says_that_it_is_there(app, page, monkeypatch):
    monkeypatch.setattr(responses, "ALIVE_S", 0.1)
    page.evaluate("stylecinegan.timeouts.silence = 1000")
    page.evaluate(
        """new MutationObserver(() => {
            window.wasError ||= document.querySelector("#status").classList.contains("error");
        }).observe(document.querySelector("#status"), { attributes: true })"""
    )
    app.model.mask_layer.seconds = 0.04  # 4 s for the mask, in which nothing comes
    before = page.num_loops()
    page.evaluate(
        """(field => { field.value = "sky"; field.dispatchEvent(new Event("change")); })
        (document.querySelector("#region"))"""
    )
    start = time.monotonic()
    page.wait_for_loop(before)
    assert time.monotonic() - start > 3
    assert not page.evaluate("window.wasError")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (502, LOST),
        (503, "The server is busy."),
        (504, "The server takes too long to answer."),
    ],
)
def test_the_answers_of_a_proxy_are_put_in_words_and_the_page_goes_on(relay, page, status, words):
    before = page.num_loops()
    relay.fail(status)
    drag_arrow(page)
    wait_for_status(page, words + AGAIN)
    relay.fail(None)
    page.wait_for_loop(before)
    page.wait("document.querySelector('#status').hidden")
    assert len(page.edits()["arrows"]) == 1


def test_a_photo_is_opened_once_the_server_is_back_unless_it_was_cancelled(relay, page, tmp_path):
    for name in ("first", "second"):
        (tmp_path / f"{name}.png").write_bytes(encode(landscape(100, 200, seed=4)))
    relay.stop()
    page.upload(tmp_path / "first.png")
    wait_for_status(page, LOST + AGAIN)
    page.key("Escape")
    assert page.status() == ""
    relay.start()
    time.sleep(0.5)
    assert page.evaluate("stylecinegan.app.session.name") == "example"
    relay.fail(504)
    before = page.num_loops()
    page.upload(tmp_path / "second.png")
    wait_for_status(page, "The server takes too long to answer." + AGAIN)
    relay.fail(None)
    page.wait_for_loop(before)
    assert page.evaluate("stylecinegan.app.session.name") == "second"


def test_a_reloaded_page_waits_for_the_server_and_keeps_its_session(relay, page):
    before = page.num_loops()
    drag_arrow(page)
    page.wait_for_loop(before)
    session = page.evaluate("stylecinegan.app.session.id")
    relay.fail(503)
    page.open(page.address)
    page.wait("document.querySelector('#status').classList.contains('error')", 60)
    page.evaluate("stylecinegan.timeouts.retry = 100")
    assert page.status() == "The server is busy." + AGAIN
    relay.fail(None)
    page.wait_for_loop()
    assert page.evaluate("stylecinegan.app.session.id") == session
    assert len(page.edits()["arrows"]) == 1


def test_what_is_drawn_while_a_forgotten_photo_is_opened_again_is_kept(app, page, tmp_path):
    file = tmp_path / "noise.png"
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    noise[:100] = (120, 180, 255)
    file.write_bytes(encode(noise))
    before = page.num_loops()
    page.upload(file)
    page.wait_for_loop(before)
    before, session = page.num_loops(), page.evaluate("stylecinegan.app.session.id")
    app.app.sessions.remove(app.app.sessions.find(session))
    network = {"offline": False, "latency": 0, "downloadThroughput": -1}
    page.call("Network.emulateNetworkConditions", **network, uploadThroughput=30_000)
    drag_arrow(page)
    time.sleep(0.5)  # the upload takes 2 s
    drag_arrow(page, 0.25)
    page.wait(f"stylecinegan.app.session.id !== {session!r}", 60)
    page.call("Network.emulateNetworkConditions", **network, uploadThroughput=-1)
    page.wait_for_loop(before)
    page.wait("document.querySelector('#status').hidden")
    assert len(page.edits()["arrows"]) == 2
    page.key("z", modifiers=2)
    assert len(page.edits()["arrows"]) == 1  # with everything that can be undone


def test_a_video_whose_server_goes_away_is_not_finished_and_can_be_made_again(app, relay, page):
    app.model.frame_s = 0.1
    page.press("#export")
    page.evaluate("document.querySelector('#video-frames').value = 30")
    page.press("#video-start")
    page.wait(f"{NEWS}.startsWith('Frame')", 60)
    relay.stop()
    page.wait(f"{NEWS} === {LOST + ' The video is not finished; start it again.'!r}", 60)
    relay.start()
    app.model.frame_s = 0.0
    # By now the server may have forgotten the photo, too.
    session = page.evaluate("stylecinegan.app.session.id")
    app.app.sessions.remove(app.app.sessions.find(session))
    page.press("#video-start")
    page.wait("!document.querySelector('#video-save').hidden", 60)
    page.press("#video-save")
    assert page.wait_for_download("*.mp4").name == "example.mp4"
    page.key("Escape")


def test_a_full_server_is_reported_and_lets_the_next_photo_in_when_there_is_room(
    example, photo, browser, tmp_path, monkeypatch
):
    monkeypatch.setattr(responses, "FULL_RETRY_S", 1)
    with Server(example, limits=Limits(sessions=1)) as server:
        first = server.open(photo)
        browser.address = server.address
        browser.evaluate("sessionStorage.clear()")
        browser.open(server.address)
        browser.wait("document.querySelector('#status').classList.contains('error')", 60)
        assert browser.status() == FULL + AGAIN
        assert server.ask("DELETE", f"/api/sessions/{first['id']}")[0] == 204
        browser.wait_for_loop()
        assert browser.status() == ""
        # A page that opens another photo needs no second place.
        file, before = tmp_path / "lake.png", browser.num_loops()
        file.write_bytes(photo)
        browser.upload(file)
        browser.wait_for_loop(before)
        assert browser.evaluate("stylecinegan.app.session.name") == "lake"
        assert len(server.app.sessions) == 1


def test_more_connections_than_allowed_are_put_in_words_and_the_page_goes_on(example, browser):
    with Server(example, connections=12) as server:
        browser.address = server.address
        browser.evaluate("sessionStorage.clear()")
        browser.visit()
        browser.evaluate("stylecinegan.timeouts.retry = 100")
        before = browser.num_loops()
        with contextlib.ExitStack() as others:
            for _ in range(12):
                others.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            drag_arrow(browser)
            wait_for_status(browser, "The server is busy." + AGAIN)
        browser.wait_for_loop(before)
        browser.wait("document.querySelector('#status').hidden")
