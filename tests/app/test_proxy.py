"""The app behind a reverse proxy, under a path prefix."""

import contextlib
import http.client
import json

import pytest

from stylecinegan.app.session_file import SUFFIX
from stylecinegan.benchmarks.chromium import find_chromium
from stylecinegan.benchmarks.visitor import Visitor
from tests.app.nginx import Nginx, find_program
from tests.app.serving import Server, encode, landscape, unpack, wait_until

pytestmark = pytest.mark.skipif(find_program() is None, reason="no nginx is installed")


@pytest.fixture(scope="module")
def app(example):
    with Server(example, hosts=["127.0.0.1"]) as server:
        yield server


@pytest.fixture
def proxy(app, tmp_path):
    app.model.frame_s = 0.0
    with Nginx(tmp_path, app.port) as proxy:
        yield proxy


def connect(proxy):
    return contextlib.closing(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60))


def ask(proxy, method, path, body=None, headers=None):
    """Asks under the prefix and returns status, headers and body."""
    body = json.dumps(body) if isinstance(body, dict) else body
    origin = {"origin": f"http://127.0.0.1:{proxy.port}", "x-stylecinegan": "1"}
    with connect(proxy) as connection:
        connection.request(method, f"/loops/{path}", body, {**origin, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def open_photo(proxy, body):
    status, _, data = ask(proxy, "POST", "api/sessions", body, {"x-name": "lake.png"})
    assert status == 201, data
    return f"api/sessions/{json.loads(data)['id']}"


def test_uploads_previews_videos_and_sessions_pass_a_proxy(app, proxy, photo):
    session = open_photo(proxy, photo)
    messages = unpack(ask(proxy, "POST", f"{session}/preview", {"edits": {}})[2])
    assert [kind for kind, _ in messages if kind != "status"] == ["mask", *["frame"] * 4]
    assert ask(proxy, "POST", f"{session}/style", encode(landscape(seed=3)))[0] == 200
    wish = {"video": {"format": "webm", "num_frames": 3}}
    news = [json.loads(n) for n in ask(proxy, "POST", f"{session}/render", wish)[2].splitlines()]
    size = next(n["bytes"] for n in news if n["type"] == "video")
    status, headers, video = ask(proxy, "GET", f"{session}/video")
    assert (status, len(video), headers["content-type"]) == (200, size, "video/webm")
    part = ask(proxy, "GET", f"{session}/video", headers={"range": "bytes=4-11"})
    assert (part[0], part[2]) == (206, video[4:12])  # players seek
    _, headers, saved = ask(proxy, "POST", f"{session}/file", wish)
    assert headers["content-disposition"].endswith(f"lake{SUFFIX}")
    again = open_photo(proxy, saved)
    assert json.loads(ask(proxy, "GET", again)[2])["video"]["num_frames"] == 3


def test_progress_passes_a_proxy_while_it_happens_and_cancel_ends_the_work(app, proxy, photo):
    session = open_photo(proxy, photo)
    app.model.frame_s = 0.05
    with connect(proxy) as connection:
        body = json.dumps({"video": {"num_frames": 400}})
        connection.request("POST", f"/loops/{session}/render", body, {"x-stylecinegan": "1"})
        answer = connection.getresponse()
        heard = []
        while not any(news["type"] == "progress" for news in heard):
            heard.append(json.loads(answer.readline()))
        assert app.app.worker.is_busy  # with most of the frames
        assert ask(proxy, "DELETE", f"{session}/render")[0] == 204
        rest = [json.loads(line) for line in answer.read().splitlines()]
    assert rest[-1] == {"type": "cancelled"}
    assert len(rest) < 200


def test_a_page_that_goes_away_behind_a_proxy_ends_its_work(app, proxy, photo):
    session = open_photo(proxy, photo)
    app.model.frame_s = 0.05
    before = app.model.num_frames
    with connect(proxy) as connection:
        body = json.dumps({"video": {"num_frames": 400}})
        connection.request("POST", f"/loops/{session}/render", body, {"x-stylecinegan": "1"})
        connection.getresponse().readline()
    wait_until(lambda: not app.app.worker.is_busy)
    assert app.model.num_frames < before + 200


def test_a_body_that_the_proxy_refuses_does_not_reach_the_app(app, proxy, monkeypatch):
    reached = []

    async def asgi(scope, receive, send):
        reached.append(scope["path"])

    monkeypatch.setattr(app.app, "asgi", asgi)
    with connect(proxy) as connection:
        connection.putrequest("POST", "/loops/api/sessions")
        connection.putheader("x-stylecinegan", "1")
        connection.putheader("content-length", str(2 << 30))
        connection.endheaders()
        assert connection.getresponse().status == 413
    assert reached == []


def test_a_token_is_asked_for_and_kept_behind_a_proxy(example, tmp_path):
    with (
        Server(example, hosts=["127.0.0.1"], token="correct horse") as app,
        Nginx(tmp_path, app.port) as proxy,
    ):
        assert ask(proxy, "GET", "")[0] == 401
        status, headers, _ = ask(proxy, "GET", "?token=correct%20horse")
        assert (status, headers["location"]) == (303, "./")  # stays under the prefix
        cookie = {"cookie": headers["set-cookie"].split(";")[0]}
        assert ask(proxy, "GET", "", headers=cookie)[0] == 200
        assert ask(proxy, "POST", "api/sessions?example", headers=cookie)[0] == 201


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed")
def test_the_page_works_behind_a_proxy_and_outlives_its_restart(app, proxy, tmp_path):
    """In a browser: a photo, an arrow, a video; the proxy goes and comes back."""
    file = tmp_path / "lake.png"
    file.write_bytes(encode(landscape(100, 200, seed=4)))
    (tmp_path / "visitor").mkdir()
    with Visitor(tmp_path / "visitor", proxy.address) as page:
        page.visit()
        before = page.num_loops()
        page.upload(file)
        page.wait_for_loop(before)
        assert page.evaluate("stylecinegan.app.session.name") == "lake"
        page.press("#export")
        page.evaluate("document.querySelector('#video-frames').value = 3")
        page.press("#video-start")
        page.wait("!document.querySelector('#video-save').hidden", 120)
        page.press("#video-save")
        assert page.wait_for_download("*.mp4").name == "lake.mp4"
        page.key("Escape")
        assert page.problems == []
        proxy.__exit__()
        page.choose("arrow")
        page.drag([(0.7, 0.15), (0.3, 0.15)])
        page.wait("document.querySelector('#status').classList.contains('error')", 60)
        assert page.status() == "The server cannot be reached. Trying again…"
        before = page.num_loops()
        proxy.__enter__()
        page.wait_for_loop(before)
        assert page.status() == ""
        assert len(page.edits()["arrows"]) == 1
        strangers = [url for url in page.requests if not url.startswith((proxy.address, "blob:"))]
        assert strangers == []
