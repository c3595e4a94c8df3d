"""A relay between browser and app that can fail in the ways of a network and its proxies."""

import contextlib
import re
import select
import socket
import threading
import time

PHRASES = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


class Relay:
    """Passes connections on to the app on a port; a context manager.

    Attributes:
        port: Its own port.
        address: Address of the page through it.
        is_silent: Whether it passes nothing on, while all connections stay open.
        status: HTTP status with which it answers every request of the page to the app's interface,
            as a proxy does whose server is missing; ``None`` passes them on.
        holds_next: Whether the next request of the page to the app's interface waits for
            :meth:`release`, after which it is passed on even if the page has cancelled it.
    """

    def __init__(self, app_port):
        self.is_silent = False
        self.status = None
        self.holds_next = False
        self._released = threading.Event()
        self._app_port = app_port
        self._open = []
        self._lock = threading.Lock()
        self._listening = None
        self.port = 0

    def __enter__(self):
        self.start()
        self.address = f"http://127.0.0.1:{self.port}/"
        return self

    def __exit__(self, *error):
        self.stop()

    def start(self):
        """Takes connections, on the same port as before."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._listen, args=(self._listening,), daemon=True).start()

    def stop(self):
        """Cuts all connections and takes no more."""
        # A thread that waits for connections keeps the socket open: shutting it down wakes it.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def cut(self):
        """Cuts all connections."""
        with self._lock:
            cut, self._open = self._open, []
        for stream in cut:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)

    def fail(self, status):
        """Answers with a status from now on, or no longer (``None``)."""
        self.status = status
        self.cut()

    def release(self):
        """Passes on the request that waits."""
        self._released.set()

    def _listen(self, listening):
        while True:
            try:
                stream = listening.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def _serve(self, stream):
        with stream, contextlib.suppress(OSError):
            with self._lock:
                self._open.append(stream)
            head = b""
            while b"\r\n\r\n" not in head:
                part = stream.recv(65536)
                if not part:
                    return
                head += part
            if b" /api/" in head.split(b"\r\n")[0]:
                if self.status is not None:
                    return self._answer(stream)
                if self.holds_next:
                    self.holds_next = False
                    self._released.wait()
            # One request a connection, so that each can be answered differently.
            head = re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", head, count=1)
            head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            with socket.create_connection(("127.0.0.1", self._app_port)) as app:
                with self._lock:
                    self._open.append(app)
                app.sendall(head)
                self._pass_on(stream, app)

    def _answer(self, stream):
        text = f"{self.status} {PHRASES[self.status]}"
        page = f"<html><h1>{text}</h1></html>"
        head = f"HTTP/1.1 {text}\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n"
        stream.sendall(f"{head}Connection: close\r\n\r\n{page}".encode())
        stream.shutdown(socket.SHUT_WR)
        while stream.recv(65536):  # the rest of the request
            pass

    def _pass_on(self, one, other):
        while True:
            ready = select.select([one, other], [], [], 1.0)[0]
            while self.is_silent:
                time.sleep(0.01)
            for source in ready:
                part = source.recv(65536)
                if not part:
                    return
                (other if source is one else one).sendall(part)
