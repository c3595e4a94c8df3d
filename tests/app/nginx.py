"""An nginx before the app, with the settings that docs/app.md shows."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs/app.md"

FRAME = """
daemon off;
{user}
pid {folder}/pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
{location}
    }}
}}
"""
"""Of a server of its own: everything it writes stays in one folder."""


def find_program():
    """Path of an installed nginx, or None."""
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def documented_location():
    """The ``location`` of the page about the app."""
    (location,) = re.findall(r"```nginx\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    return location


class Nginx:
    """The proxy on a free port; a context manager."""

    def __init__(self, folder, app_port):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/loops/"
        location = documented_location()
        assert location.count(":8017/") == 1
        location = location.replace(":8017/", f":{app_port}/")
        self._folder = folder
        self._file = folder / "nginx.conf"
        # Root's nginx would hand its work to a user who may not write here.
        user = "user root;" if os.geteuid() == 0 else ""
        settings = {"folder": folder, "port": self.port, "location": location, "user": user}
        self._file.write_text(FRAME.format(**settings))

    def __enter__(self):
        command = [find_program(), "-c", str(self._file), "-p", str(self._folder)]
        # The log before the settings are read would lie elsewhere.
        command += ["-e", str(self._folder / "error.log")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not self._is_listening():
            assert self._process.poll() is None, (self._folder / "error.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.02)
        return self

    def __exit__(self, *error):
        self._process.terminate()
        self._process.wait(30)

    def _is_listening(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
