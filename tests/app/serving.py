"""The app on a real port, with a small model that takes bright blue for sky."""

import contextlib
import http.client
import json
import struct
import threading
import time
from io import BytesIO

import numpy as np
import torch
import uvicorn
from PIL import Image

from stylecinegan import Cinemagraph, Scene, io
from stylecinegan.app.responses import FRAME, MASK
from stylecinegan.app.server import App
from stylecinegan.app.settings import Limits, PreviewSettings
from stylecinegan.cli.app import animate
from stylecinegan.data.drawn import draw_landscape
from stylecinegan.mask.ensemble import PixelClasses
from stylecinegan.mask.prediction import MaskPrediction
from stylecinegan.motion.controls import directed_motion
from tests.tiny_model import make_model

NUM_LAYERS = 100
"""Of each network of :class:`SkyFinder`."""


class Layer(torch.nn.Module):
    """A layer that does nothing, slowly if need be."""

    def __init__(self):
        super().__init__()
        self.num_calls = 0
        self.seconds = 0.0

    def forward(self, image):
        self.num_calls += 1
        time.sleep(self.seconds)
        return image


class SkyFinder(torch.nn.Module):
    """A model without trained weights: what is blue or white moves, to the right."""

    def __init__(self):
        super().__init__()
        self.model = make_model()
        self.generator = self.model.generator
        self.mask_ensemble = self.motion_generator = "present"
        self.mask_layer, self.motion_layer = Layer(), Layer()
        self.num_frames = 0
        self.frame_s = 0.0

    def scene(self, photo, **settings):
        return Scene(self, photo, **settings)

    def segment(self, photo, region="both", *, caution=0.6):
        for _ in range(NUM_LAYERS):
            photo = self.mask_layer(photo)
        mask = (photo[:, 2:] > 0.1).float()
        probabilities = torch.cat([1 - mask, mask, torch.zeros_like(mask)], 1)
        return MaskPrediction(mask, PixelClasses(probabilities, mask.long(), mask))

    def predict_motion(self, photo, mask, probabilities=None):
        for _ in range(NUM_LAYERS):
            photo = self.motion_layer(photo)
        return directed_motion("right", mask)

    def invert(self, photo, *, num_steps=0):
        return self.model.invert(photo, num_steps=num_steps)

    def animate(self, *args, **settings):
        cinemagraph = self.model.animate(*args, **settings)

        def counted():
            for frame in cinemagraph.steady_frames:
                self.num_frames += 1
                time.sleep(self.frame_s)
                yield frame

        return Cinemagraph(
            cinemagraph.num_frames,
            cinemagraph.photo,
            cinemagraph.mask,
            cinemagraph.motion,
            lambda: cinemagraph.inversion,
            counted,
        )


SMALL = PreviewSettings(side=96, num_frames=4, working_side=160, picture_side=640)


class Server:
    """The app, running; a context manager."""

    def __init__(
        self,
        example,
        *,
        model=None,
        limits=None,
        connections=None,
        token=None,
        hosts=(),
        root_path="",
    ):
        self.model = model or SkyFinder()

        async def asgi(scope, receive, send):
            await self.app.asgi(scope, receive, send)

        config = uvicorn.Config(
            asgi,
            port=0,
            log_level="error",
            access_log=False,
            lifespan="on",
            limit_concurrency=connections,
        )
        self._uvicorn = uvicorn.Server(config)
        self._socket = config.bind_socket()
        self.port = self._socket.getsockname()[1]
        self.app = App(
            lambda: self.model,
            animate,
            example,
            preview=SMALL,
            limits=limits or Limits(),
            allowed_hosts=[f"127.0.0.1:{self.port}", *hosts],
            token=token,
            root_path=root_path,
        )
        self.address = f"http://127.0.0.1:{self.port}/"
        self._thread = threading.Thread(
            target=self._uvicorn.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self):
        self._thread.start()
        end = time.monotonic() + 30
        while not self._uvicorn.started:
            assert time.monotonic() < end
            time.sleep(0.01)
        return self

    def __exit__(self, *error):
        self._uvicorn.should_exit = True
        self._thread.join(30)

    def ask(self, method, path, body=None, headers=None, *, plain=False):
        """Asks for something and returns status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {} if plain else {"x-stylecinegan": "1"}
        with contextlib.closing(connection):
            if isinstance(body, dict):
                body = json.dumps(body)
            connection.request(method, path, body, {**sent, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    def open(self, body, name="lake.png"):
        """Opens a photo and returns what the server says of it."""
        status, _, data = self.ask("POST", "/api/sessions", body, {"x-name": name})
        assert status == 201, data
        return json.loads(data)

    def preview(self, session_id, edits):
        """Kinds and contents of what a preview brings, except its place in the queue.

        That depends on the work of other sessions and on the speed of the machine.
        """
        path = f"/api/sessions/{session_id}/preview"
        status, _, data = self.ask("POST", path, {"edits": edits})
        assert status == 200, data
        return [
            (kind, content)
            for kind, content in unpack(data)
            if not (kind == "status" and content["type"] == "waiting")
        ]

    def render(self, session_id, edits, video):
        """What is said of a video while it is made."""
        body = {"edits": edits, "video": video}
        status, _, data = self.ask("POST", f"/api/sessions/{session_id}/render", body)
        assert status == 200, data
        return [json.loads(line) for line in data.splitlines()]


def unpack(data):
    """Splits a preview's stream into (kind, content)."""
    found = []
    while data:
        kind, length = struct.unpack(">BI", data[:5])
        content, data = data[5 : 5 + length], data[5 + length :]
        name = {FRAME: "frame", MASK: "mask"}.get(kind, "status")
        found.append((name, json.loads(content) if name == "status" else content))
    return found


def picture_of(data):
    """Pixels of an encoded picture, [H, W] or [H, W, 3]."""
    return np.array(Image.open(BytesIO(data)))


def encode(pixels, kind="PNG", **options):
    """Bytes of a picture."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def landscape(height=120, width=160, seed=1):
    """Pixels of a drawn landscape whose sky and lake are blue enough."""
    return io.to_uint8(draw_landscape(height, width, seed).image).numpy()


def wait_until(is_so, seconds=30):
    """Waits until a function returns something true."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)
