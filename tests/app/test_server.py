"""What the server answers to its page, and to everybody else."""

import http.client
import json
import os
import re
import shlex
import socket
import struct
import threading
import time
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylecinegan import io
from stylecinegan.app import responses
from stylecinegan.app.session_file import SUFFIX
from stylecinegan.app.settings import Limits
from tests.app.serving import NUM_LAYERS, Server, encode, landscape, picture_of, unpack, wait_until

ARROW = [[0.2, 0.2], [0.6, 0.25]]
STAYS = {"kind": "stays", "points": [[0.5, 0.1]], "radius": 0.1, "follows_edges": False}


def message(data):
    return json.loads(data)["message"]


# A session


def test_a_photo_becomes_a_mask_and_a_loop(server, photo):
    session = server.open(photo, "my lake.png")
    assert (session["width"], session["height"], session["name"]) == (160, 120, "my_lake")
    _, headers, data = server.ask("GET", f"/api/sessions/{session['id']}/photo")
    assert headers["content-type"] == "image/jpeg"
    assert picture_of(data).shape == (120, 160, 3)
    messages = server.preview(session["id"], {})
    kinds = [kind for kind, _ in messages if kind != "status"]
    assert kinds == ["mask", *["frame"] * 4]
    mask = next(data for kind, data in messages if kind == "mask")
    assert picture_of(mask).shape == (120, 160)
    frames = [picture_of(data) for kind, data in messages if kind == "frame"]
    assert {frame.shape for frame in frames} == {(72, 96, 3)}
    assert np.abs(frames[0].astype(int) - frames[2]).mean() > 0.1
    assert messages[-1] == ("status", {"type": "done"})


def test_strokes_change_the_mask_where_they_are_and_nowhere_else(server, photo):
    session = server.open(photo)

    def mask_of(edits):
        found = server.preview(session["id"], edits)
        return picture_of(next(data for kind, data in found if kind == "mask")).astype(int)

    plain, corrected = mask_of({}), mask_of({"strokes": [STAYS]})
    x, y = (np.arange(160) + 0.5) / 160 - 0.5, (np.arange(120)[:, None] + 0.5) / 120 - 0.1
    distance = np.hypot(160 * x, 120 * y)
    assert (corrected[distance < 15] == 0).all()
    assert plain[distance < 15].mean() > 200
    np.testing.assert_array_equal(corrected[distance > 17], plain[distance > 17])
    np.testing.assert_array_equal(mask_of({}), plain)


def test_a_mistake_in_the_controls_is_reported_and_the_mask_is_still_sent(server, photo):
    session = server.open(photo)
    messages = server.preview(session["id"], {"text": "clouds sing"})
    assert messages[-1][1]["type"] == "error"
    assert "unknown word" in messages[-1][1]["message"]
    assert "mask" in [kind for kind, _ in messages]
    everything = {**STAYS, "radius": 0.5, "points": [[0.0, 0.5], [1.0, 0.5]]}
    messages = server.preview(session["id"], {"strokes": [everything]})
    assert "nothing moves yet" in messages[-1][1]["message"]


def test_a_camera_moves_what_stays_unless_the_page_asks_for_a_steady_loop(server, photo):
    session = server.open(photo)
    path = f"/api/sessions/{session['id']}/preview"
    camera = {"camera": "push", "camera_amount": 0.15}
    steady, moving = server.preview(session["id"], {}), server.preview(session["id"], camera)
    loops = [n for m in (steady, moving) for k, n in m if k == "status" and n["type"] == "loop"]
    assert [n["is_whole"] for n in loops] == [False, True]
    still, moved = (
        np.stack([picture_of(data) for kind, data in messages if kind == "frame"]).astype(int)
        for messages in (steady, moving)
    )
    assert np.ptp(still[:, -12:], axis=0).max() <= 2  # the ground, but for what JPEG does to it
    assert np.ptp(moved[:, -12:], axis=0).mean() > 5
    status, _, data = server.ask("POST", path, {"edits": camera, "is_steady": True})
    assert status == 200
    frames = [content for kind, content in unpack(data) if kind == "frame"]
    assert frames == [content for kind, content in steady if kind == "frame"]
    described = json.loads(server.ask("GET", f"/api/sessions/{session['id']}")[2])
    assert described["edits"]["camera"] == "push"  # a reloaded page moves it again
    assert server.ask("POST", path, {"is_steady": "yes"})[0] == 400


@pytest.mark.parametrize("kind", ["mp4", "webm", "webp", "gif"])
def test_a_video_of_each_kind_is_made_and_downloaded(server, photo, kind):
    session = server.open(photo, "lake.png")
    news = server.render(session["id"], {"arrows": [ARROW]}, {"format": kind, "num_frames": 3})
    steps = [n["done"] for n in news if n["type"] == "progress"]
    assert steps == [1, 2, 3]
    video = next(n for n in news if n["type"] == "video")
    assert (video["width"], video["height"]) == (160, 120)
    status, headers, data = server.ask("GET", f"/api/sessions/{session['id']}/video")
    assert status == 200
    assert len(data) == video["bytes"]
    assert headers["content-disposition"].endswith(f"lake.{kind}")
    starts = {"mp4": data[4:8] == b"ftyp", "webm": data[:4] == b"\x1a\x45\xdf\xa3"}
    starts |= {"webp": data[8:12] == b"WEBP", "gif": data[:4] == b"GIF8"}
    assert starts[kind]


def test_cancelling_stops_the_work_and_leaves_no_half_video(server, photo):
    session = server.open(photo)
    server.model.frame_s = 0.05
    path = f"/api/sessions/{session['id']}/render"
    result = []
    thread = threading.Thread(
        target=lambda: result.append(server.render(session["id"], {}, {"num_frames": 400}))
    )
    before = server.model.num_frames
    thread.start()
    wait_until(lambda: server.model.num_frames > before + 2)
    assert server.ask("DELETE", path)[0] == 204
    thread.join(30)
    assert result[0][-1] == {"type": "cancelled"}
    stopped_at = server.model.num_frames
    assert stopped_at < before + 100
    time.sleep(0.3)
    assert server.model.num_frames == stopped_at
    folder = server.app.sessions.find(session["id"]).folder
    assert [file.name for file in folder.iterdir()] == ["photo.png"]
    status, _, data = server.ask("GET", f"/api/sessions/{session['id']}/video")
    assert status == 400
    assert "no finished video" in message(data)


@pytest.mark.parametrize("network", ["mask", "motion"])
def test_a_newer_edit_ends_the_older_one_in_the_midst_of_a_network(server, photo, network):
    session = server.open(photo)
    layer = getattr(server.model, f"{network}_layer")
    layer.seconds = 0.1  # 10 s for all of them
    before, result = layer.num_calls, []
    thread = threading.Thread(target=lambda: result.append(server.preview(session["id"], {})))
    thread.start()
    wait_until(lambda: layer.num_calls > before + 2)
    stopped = threading.Event()

    def edit():
        result.append(server.preview(session["id"], {"text": "clouds drift left"}))
        stopped.set()

    newer = threading.Thread(target=edit)
    newer.start()
    thread.join(30)
    assert result[0][-1][1] == {"type": "cancelled"}
    assert layer.num_calls - before < NUM_LAYERS
    layer.seconds = 0.0
    newer.join(30)
    assert stopped.is_set()
    assert result[1][-1][1] == {"type": "done"}  # what was cut off is computed anew, as a whole
    assert [kind for kind, _ in result[1] if kind != "status"] == ["mask", *["frame"] * 4]
    assert layer.num_calls - before > NUM_LAYERS


@pytest.mark.parametrize("network", ["mask", "motion"])
@pytest.mark.parametrize("way", ["cancel", "remove"])
def test_cancelling_ends_a_video_in_the_midst_of_a_network(server, photo, network, way):
    session = server.open(photo)
    layer = getattr(server.model, f"{network}_layer")
    layer.seconds = 0.1
    before, result = layer.num_calls, []
    video = {"num_frames": 4}
    thread = threading.Thread(target=lambda: result.append(server.render(session["id"], {}, video)))
    thread.start()
    wait_until(lambda: layer.num_calls > before + 2)
    path = f"/api/sessions/{session['id']}"
    assert server.ask("DELETE", f"{path}/render" if way == "cancel" else path)[0] == 204
    thread.join(30)
    assert result[0][-1] == {"type": "cancelled"}
    wait_until(lambda: not server.app.worker.is_busy)
    assert layer.num_calls - before < NUM_LAYERS


def test_cancelling_a_video_leaves_the_preview_that_interrupts_it(server, photo):
    anna, bob = server.open(photo), server.open(photo)
    server.model.frame_s = 0.02
    videos, loops = [], []
    before = server.model.num_frames
    video = threading.Thread(
        target=lambda: videos.append(server.render(anna["id"], {}, {"num_frames": 400}))
    )
    video.start()
    wait_until(lambda: server.model.num_frames > before + 2)
    layer = server.model.mask_layer
    layer.seconds, calls = 0.02, layer.num_calls
    loop = threading.Thread(target=lambda: loops.append(server.preview(bob["id"], {})))
    loop.start()
    wait_until(lambda: layer.num_calls > calls + 2)
    assert server.ask("DELETE", f"/api/sessions/{anna['id']}/render")[0] == 204
    loop.join(30)
    video.join(30)
    assert loops[0][-1][1] == {"type": "done"}
    assert videos[0][-1] == {"type": "cancelled"}


def test_a_preview_goes_before_the_frames_of_a_long_video(server, photo):
    anna, bob = server.open(photo), server.open(photo)
    server.model.frame_s = 0.02
    thread = threading.Thread(target=server.render, args=(anna["id"], {}, {"num_frames": 200}))
    before = server.model.num_frames
    thread.start()
    wait_until(lambda: server.model.num_frames > before + 2)
    assert server.preview(bob["id"], {})[-1][1] == {"type": "done"}
    assert thread.is_alive()
    server.ask("DELETE", f"/api/sessions/{anna['id']}/render")
    thread.join(30)


def test_a_page_that_goes_away_ends_its_work(server, photo):
    session = server.open(photo)
    server.model.frame_s = 0.05
    before = server.model.num_frames
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    body = json.dumps({"video": {"num_frames": 400}})
    path = f"/api/sessions/{session['id']}/render"
    connection.request("POST", path, body, {"x-stylecinegan": "1"})
    wait_until(lambda: server.model.num_frames > before + 2)
    connection.close()
    wait_until(lambda: not server.app.worker.is_busy)
    assert server.model.num_frames < before + 200


def test_a_reloaded_page_gets_its_edits_back(server, photo):
    session = server.open(photo)
    server.preview(session["id"], {"text": "clouds drift left", "arrows": [ARROW]})
    _, _, data = server.ask("GET", f"/api/sessions/{session['id']}")
    assert json.loads(data)["edits"]["text"] == "clouds drift left"
    assert json.loads(data)["edits"]["arrows"] == [ARROW]


def test_a_saved_session_opens_again_with_everything_in_it(server, photo):
    session = server.open(photo, "lake.png")
    path = f"/api/sessions/{session['id']}"
    assert server.ask("POST", f"{path}/style", encode(landscape(seed=3)))[0] == 200
    edits = {"strokes": [STAYS], "text": "clouds drift left", "has_style": True}
    body = {"edits": edits, "video": {"num_frames": 30}}
    status, headers, data = server.ask("POST", f"{path}/file", body)
    assert status == 200
    assert headers["content-disposition"].endswith(f"lake{SUFFIX}")
    names = zipfile.ZipFile(BytesIO(data)).namelist()
    assert sorted(names) == [
        *("hints.json", "mask_remove.png", "photo.png", "session.json", "style.png")
    ]
    again = server.open(data, f"renamed{SUFFIX}")
    assert again["name"] == "lake"
    (stroke,) = again["edits"]["strokes"]
    assert STAYS.items() <= stroke.items()
    assert again["edits"]["text"] == "clouds drift left"
    assert again["video"]["num_frames"] == 30
    assert again["has_style"]
    first = server.preview(session["id"], edits)
    assert server.preview(again["id"], again["edits"]) == first


def test_the_command_of_a_session_has_its_photo_edits_and_video_settings(server, photo):
    session = server.open(photo, "my lake.png")
    edits = {"arrows": [ARROW], "text": "clouds drift left", "speed": 2.5}
    body = {"edits": edits, "video": {"format": "gif", "num_frames": 30}}
    status, _, data = server.ask("POST", f"/api/sessions/{session['id']}/command", body)
    assert status == 200
    lines = json.loads(data)
    assert shlex.split(lines["command"]) == [
        "stylecinegan",
        "generate",
        "photo=my_lake.png",
        "arrows=[[[0.2,0.2],[0.6,0.25]]]",
        "text=clouds drift left",
        "speed=2.5",
        "num_frames=30",
        "video=my_lake.gif",
    ]
    assert lines["from_session"] == "stylecinegan generate session=my_lake.stylecinegan"


def test_a_photo_turned_by_its_exif_entry_gives_the_loop_of_the_upright_one(server):
    pixels = landscape()
    exif = Image.Exif()
    exif[274] = 6  # the camera was held upright
    turned = encode(np.rot90(pixels).copy(), exif=exif.tobytes())
    session = server.open(turned)
    assert (session["width"], session["height"]) == (160, 120)
    plain = server.open(encode(pixels))
    edits = {"strokes": [STAYS], "arrows": [ARROW]}
    assert server.preview(session["id"], edits) == server.preview(plain["id"], edits)


def test_transparent_parts_of_a_photo_are_white_and_static_in_mask_and_video(server, tmp_path):
    pixels = landscape()
    opacity = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    opacity[20:60, 50:110] = 0  # within the sky
    session = server.open(encode(np.concatenate([pixels, opacity], axis=-1)))
    edits = {"strokes": [{**STAYS, "kind": "moves"}], "arrows": [ARROW]}
    hole = (slice(24, 56), slice(54, 106))
    _, _, shown = server.ask("GET", f"/api/sessions/{session['id']}/photo")
    assert picture_of(shown)[hole].min() > 245
    found = server.preview(session["id"], edits)
    mask = picture_of(next(data for kind, data in found if kind == "mask"))
    assert mask[20:60, 50:110].max() == 0
    assert mask[5:15].mean() > 200
    server.render(session["id"], {**edits, "speed": 3}, {"format": "mp4", "num_frames": 8})
    _, _, video = server.ask("GET", f"/api/sessions/{session['id']}/video")
    (tmp_path / "video.mp4").write_bytes(video)
    frames = [io.to_uint8(frame).numpy() for frame in io.read_video(tmp_path / "video.mp4")]
    assert min(frame[hole].min() for frame in frames) > 240
    assert np.abs(frames[4].astype(int) - frames[0]).max() > 8


# Strangers


def test_the_headers_of_every_answer_allow_nothing_from_other_sites(server):
    for path in ("/", "/page/main.js", "/page/none", "/api/sessions/none"):
        _, headers, _ = server.ask("GET", path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", ""]
)
def test_a_request_for_another_host_name_is_refused(server, host):
    for method, path in (("GET", "/"), ("POST", "/api/sessions?example")):
        status, _, _ = server.ask(method, path, headers={"host": host})
        assert status == 421 or (host == "" and status == 400)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://"]
)
def test_a_request_from_another_site_is_refused(server, photo, origin):
    status, _, _ = server.ask("POST", "/api/sessions", photo, {"origin": origin})
    assert status == 403
    session = server.open(photo)
    path = f"/api/sessions/{session['id']}"
    for method, at in (("GET", path), ("POST", f"{path}/preview"), ("DELETE", path)):
        assert server.ask(method, at, headers={"origin": origin})[0] == 403
    own = {"origin": server.address.rstrip("/")}
    assert server.ask("GET", path, headers=own)[0] == 200


def test_a_form_of_another_site_cannot_upload(server, photo):
    # A form sends neither the header nor, in old browsers, an origin.
    kind = {"content-type": "text/plain"}
    assert server.ask("POST", "/api/sessions", photo, kind, plain=True)[0] == 403
    site = {"sec-fetch-site": "cross-site"}
    assert server.ask("POST", "/api/sessions", photo, site)[0] == 403
    assert server.ask("GET", "/api/sessions/none", headers=site)[0] == 403


def test_preflight_requests_of_other_sites_are_refused(server):
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    asked["access-control-request-headers"] = "x-stylecinegan"
    status, headers, _ = server.ask("OPTIONS", "/api/sessions", headers=asked, plain=True)
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "identity", ["x", "0" * 24, "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "a" * 5000]
)
def test_a_guessed_session_identifier_finds_nothing(server, photo, identity):
    server.open(photo)
    for method, rest in (("GET", ""), ("GET", "/photo"), ("GET", "/video"), ("POST", "/preview")):
        status, _, data = server.ask(method, f"/api/sessions/{identity}{rest}", {})
        assert status in (404, 405, 410)
        assert b"root:" not in data


def test_session_identifiers_are_long_and_distinct_and_not_listed(server, photo):
    ids = [server.open(photo)["id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert all(len(identity) >= 24 for identity in ids)
    assert server.ask("GET", "/api/sessions")[0] == 405


@pytest.mark.parametrize(
    "path",
    [
        "/page/../server.py",
        "/page/..%2fserver.py",
        "/page/%2e%2e/server.py",
        "/page//etc/passwd",
        "/page/main.js%00.css",
        "/../../etc/passwd",
        "/page/",
        "/etc/passwd",
    ],
)
def test_no_path_leads_to_another_file(server, path):
    status, _, data = server.ask("GET", path)
    assert status in (400, 404)
    assert b"import" not in data
    assert b"root:" not in data


def test_folders_and_special_characters_are_removed_from_names(server, photo):
    for name, kept in (
        ("../../etc/passwd", "passwd"),
        ("C:\\windows\\lake.jpg", "lake"),
        ("%2e%2e%2fx", "2e_2e_2fx"),
        ('a"b;\r\nset-cookie.png', "a_b_set-cookie"),
        ("", "photo"),
        ("...", "photo"),
        ("é" * 200 + ".png", "é" * 60),
    ):
        name = "".join(f"%{byte:02x}" for byte in name.encode())
        session = server.open(photo, name)
        assert session["name"] == kept
        folder = server.app.sessions.find(session["id"]).folder
        assert folder.parent == server.app.sessions.folder
        assert [file.name for file in folder.iterdir()] == ["photo.png"]


# Broken and hostile files


def bomb(width=40000, height=40000):
    """A PNG whose header asks for 1.6 gigapixels."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 10_000_000, 9)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def folders(server):
    return {path.name for path in server.app.sessions.folder.iterdir()}


def test_files_that_are_no_photos_are_refused_in_words_and_leave_nothing(server, photo):
    before = folders(server)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    page = b"<!doctype html><script>alert(1)</script>"
    jpeg = encode(landscape(), "JPEG")
    cases = [
        (b"", "lake.jpg", "empty"),
        (svg, "lake.jpg", "a web page or another marked-up text"),
        (page, "lake.png", "a web page or another marked-up text"),
        (b"%!PS-Adobe\n", "lake.jpg", "PostScript"),
        (b"#EXTM3U\nfile:///etc/passwd", "lake.jpg", "unknown format"),
        (photo[: len(photo) // 2], "lake.png", "damaged or cut off"),
        (jpeg[: len(jpeg) // 2], "lake.jpg", "damaged or cut off"),
        (os.urandom(5000), "lake.jpg", "unknown format"),
        (bomb(), "lake.png", "megapixels"),
        (bomb(9000, 9000), "lake.png", "a photo may have 50 megapixels here, lake has 81"),
        (b"PK\x03\x04" + os.urandom(100), "a.stylecinegan", "wanted a session file"),
    ]
    for body, name, wanted in cases:
        status, _, data = server.ask("POST", "/api/sessions", body, {"x-name": name})
        assert status == 400, name
        assert wanted in message(data), (name, message(data))
        assert str(server.app.sessions.folder) not in message(data)
        assert "\n" not in message(data)
    # Of the earlier sessions, some may expire meanwhile.
    wait_until(lambda: folders(server) <= before)
    assert len(server.app.sessions) <= len(before)
    assert server.open(photo)["width"] == 160


def test_a_broken_style_picture_leaves_the_session_as_it_was(server, photo):
    styled, plain = server.open(photo), server.open(photo)
    path = f"/api/sessions/{styled['id']}/style"
    assert server.ask("POST", path, encode(landscape(seed=3)))[0] == 200
    before = server.preview(styled["id"], {"has_style": True})
    assert before[-1][1] == {"type": "done"}
    folder = server.app.sessions.find(styled["id"]).folder
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    for session in (styled, plain):
        path = f"/api/sessions/{session['id']}/style"
        status, _, data = server.ask("POST", path, b"<html>")
        assert status == 400
        assert "web page" in message(data)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == files
    assert server.preview(styled["id"], {"has_style": True}) == before
    messages = server.preview(plain["id"], {"has_style": True})
    assert "no style picture" in messages[-1][1]["message"]


def archive(entries):
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return stream.getvalue()


def test_a_hostile_session_file_is_refused_and_writes_nothing_outside(example, photo):
    settings = json.dumps({"version": 1, "name": "../../x", "edits": {}})
    deep = '{"version": 1, "edits": ' + "[" * 100000
    cases = [
        ({"../../evil.png": photo, "session.json": settings}, "unexpected files"),
        ({"/etc/cron.d/evil": photo, "session.json": settings}, "unexpected files"),
        ({"photo.png/../../evil": photo, "session.json": settings}, "unexpected files"),
        ({"photo.png": photo}, "settings are missing or damaged"),
        ({"session.json": settings}, "no photo"),
        ({"photo.png": photo, "session.json": deep}, "damaged"),
        ({"photo.png": photo, "session.json": "[]"}, "no session file of version 1"),
        ({"photo.png": photo, "session.json": '{"version": 1, "edits": {"speed": 99}}'}, "speed"),
        ({"photo.png": b"\0" * (3 << 20), "session.json": settings}, "exceeds 1 MiB"),
    ]
    with Server(example, limits=Limits(upload_mib=1)) as server:
        for entries, wanted in cases:
            status, _, data = server.ask("POST", "/api/sessions", archive(entries))
            assert status == 400, wanted
            assert wanted in message(data)
        folder = server.app.sessions.folder
        wait_until(lambda: not list(folder.iterdir()))
        for outside in (folder.parent / "evil.png", Path("/etc/cron.d/evil")):
            assert not outside.exists()
        assert server.open(archive({"photo.png": photo, "session.json": settings}))["name"] == "x"


def test_a_body_that_is_too_large_is_cut_off_early(example, photo):
    with Server(example, limits=Limits(upload_mib=1)) as server:
        preview = f"/api/sessions/{server.open(photo)['id']}/preview"
        for path, size, most in (("/api/sessions", 2 << 30, 1), (preview, 9 << 20, 8)):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            connection.putrequest("POST", path)
            connection.putheader("x-stylecinegan", "1")
            connection.putheader("content-length", str(size))
            connection.endheaders()
            answer = connection.getresponse()  # before a single byte of the body
            assert answer.status == 413
            assert f"at most {most} MiB" in message(answer.read())
        # Without a length, by counting.
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as stream:
            head = f"POST /api/sessions HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            head += "X-Stylecinegan: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
            stream.sendall(head.encode())
            sent = 0
            try:
                while sent < 64 << 20:
                    stream.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                    sent += 65536
            except OSError:
                pass
        assert sent < 64 << 20
        wait_until(lambda: len(list(server.app.sessions.folder.iterdir())) == 1)


def test_a_client_that_stalls_or_goes_leaves_nothing(example):
    with Server(example, limits=Limits(stall_s=0.3)) as server:
        for is_patient in (True, False):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            connection.putrequest("POST", "/api/sessions")
            connection.putheader("x-stylecinegan", "1")
            connection.putheader("content-length", "1000")
            connection.endheaders()
            connection.send(b"x" * 10)
            if is_patient:
                answer = connection.getresponse()
                assert answer.status == 400
                assert "stopped half-way" in message(answer.read())
            connection.close()
            wait_until(lambda: len(server.app.sessions) == 0)
        wait_until(lambda: not list(server.app.sessions.folder.iterdir()))


@pytest.mark.parametrize(
    "body",
    ["{", "[]", "[" * 200000, '{"edits": 1}', '{"edits": {"strokes": [[]]}}', "\xff\xfe"],
)
def test_a_body_that_is_no_valid_json_is_refused(server, photo, body):
    session = server.open(photo)
    for action in ("preview", "render", "file", "command"):
        path = f"/api/sessions/{session['id']}/{action}"
        status, _, data = server.ask("POST", path, body.encode("latin-1"))
        assert status == 400, (action, body[:20])
        assert message(data)


def test_a_preview_without_a_body_is_that_of_a_photo_without_edits(server, photo):
    path = f"/api/sessions/{server.open(photo)['id']}"
    status, _, data = server.ask("POST", f"{path}/preview")
    assert status == 200
    assert unpack(data)[-1] == ("status", {"type": "done"})
    assert unpack(server.ask("POST", f"{path}/preview", {"edits": {}})[2]) == unpack(data)


# Bounds


def test_the_session_that_was_idle_the_longest_makes_room(example, photo):
    with Server(example, limits=Limits(sessions=2, active_s=0)) as server:
        first, second = server.open(photo), server.open(photo)
        assert server.ask("GET", f"/api/sessions/{first['id']}")[0] == 200  # in use again
        third = server.open(photo)
        gone = server.ask("GET", f"/api/sessions/{second['id']}")
        assert gone[0] == 410
        assert "over" in message(gone[2])
        for session in (first, third):
            assert server.ask("GET", f"/api/sessions/{session['id']}")[0] == 200
        wait_until(lambda: len(list(server.app.sessions.folder.iterdir())) == 2)


def test_a_session_in_use_makes_no_room_for_another_unless_that_replaces_it(example, photo):
    with Server(example, limits=Limits(sessions=2)) as server:
        first, second = server.open(photo), server.open(photo)
        status, headers, data = server.ask("POST", "/api/sessions", photo)
        assert (status, headers["retry-after"]) == (503, "10")
        assert message(data) == "The server is full: as many photos are open as it can hold."
        replaces = {"x-replaces": first["id"]}
        status, _, data = server.ask("POST", "/api/sessions", b"<html>", replaces)
        assert status == 400
        for session in (first, second):  # what is no photo replaces nothing
            assert server.ask("GET", f"/api/sessions/{session['id']}")[0] == 200
        status, _, data = server.ask("POST", "/api/sessions", photo, replaces)
        assert status == 201
        for session, status in ((first, 410), (second, 200), (json.loads(data), 200)):
            assert server.ask("GET", f"/api/sessions/{session['id']}")[0] == status
        replaces = {"x-replaces": "guessed"}
        assert server.ask("POST", "/api/sessions", photo, replaces)[0] == 503
        wait_until(lambda: len(list(server.app.sessions.folder.iterdir())) == 2)


def test_a_stream_without_news_sends_signs_of_life(server, photo, monkeypatch):
    monkeypatch.setattr(responses, "ALIVE_S", 0.05)
    session = server.open(photo)
    server.model.mask_layer.seconds = 0.01
    messages = [content for kind, content in server.preview(session["id"], {}) if kind == "status"]
    assert messages.count({"type": "alive"}) > 5
    assert messages[-1] == {"type": "done"}
    assert {"type": "alive"} in server.render(session["id"], {}, {"num_frames": 2})


def test_an_idle_session_expires_with_its_files(example, photo):
    with Server(example, limits=Limits(idle_minutes=0.005)) as server:
        old = server.open(photo)
        time.sleep(0.5)
        server.open(photo)
        assert server.ask("GET", f"/api/sessions/{old['id']}")[0] == 410
        wait_until(lambda: len(list(server.app.sessions.folder.iterdir())) == 1)


def test_a_video_larger_than_allowed_is_refused(example, photo):
    with Server(example, limits=Limits(render_side=100, render_frames=10)) as server:
        session = server.open(photo)
        path = f"/api/sessions/{session['id']}/render"
        for video, wanted in (({}, "choose a smaller size"), ({"num_frames": 11}, "from 2 to 10")):
            status, _, data = server.ask("POST", path, {"video": video})
            assert status == 400
            assert wanted in message(data)
        news = server.render(session["id"], {}, {"size": 96, "num_frames": 2})
        assert news[-1] == {"type": "done"}


def test_a_photo_beyond_the_limit_of_disk_space_is_refused(example, photo):
    with Server(example, limits=Limits(disk_mib=0)) as server:
        server.open(photo)  # there was nothing yet
        status, _, data = server.ask("POST", "/api/sessions", photo)
        assert status == 400
        assert "disk space" in message(data)


def test_the_end_of_the_server_deletes_the_files_of_all_sessions(example, photo):
    with Server(example) as server:
        session = server.open(photo)
        server.render(session["id"], {}, {"num_frames": 2})
        folder = server.app.sessions.folder
        assert folder.is_dir()
    assert not folder.exists()


# A token, a proxy


def test_with_a_token_nothing_is_served_without_it(example, photo):
    with Server(example, token="correct horse") as server:
        for path in ("/", "/page/main.js", "/api/sessions/x", "/?token=wrong", "/?token="):
            assert server.ask("GET", path)[0] == 401
        assert server.ask("POST", "/api/sessions", photo)[0] == 401
        status, headers, _ = server.ask("GET", "/?token=correct%20horse")
        assert status == 303
        assert headers["location"] == "./"  # the address is free of it
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        sent = {"cookie": cookie.split(";")[0]}
        assert server.ask("GET", "/", headers=sent)[0] == 200
        assert server.ask("POST", "/api/sessions?example", headers=sent)[0] == 201
        assert server.ask("GET", "/", headers={"authorization": "Bearer correct horse"})[0] == 200


def test_behind_a_proxy_other_names_are_allowed_and_the_page_needs_no_root(example):
    with Server(example, hosts=["loops.example.org"], root_path="/loops") as server:
        headers = {"host": "loops.example.org", "origin": "https://loops.example.org"}
        status, _, page = server.ask("GET", "/", headers=headers)
        assert status == 200
        assert not re.search(rb'(?:src|href)="(?:/|https?:)', page)
        assert server.ask("POST", "/api/sessions?example", headers=headers)[0] == 201
        # A proxy that does not strip the prefix works as well.
        assert server.ask("GET", "/loops/page/main.js", headers=headers)[0] == 200
