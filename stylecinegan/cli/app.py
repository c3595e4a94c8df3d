"""The browser app: stylecinegan app"""  # noqa: D415

import logging
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Mapping
from typing import Any

import hydra
import torch
import uvicorn
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import DictConfig

from stylecinegan import Cinemagraph, StyleCineGAN
from stylecinegan.app.pictures import read_on_white
from stylecinegan.app.server import App
from stylecinegan.app.settings import Limits, PreviewSettings
from stylecinegan.appearance import read_style
from stylecinegan.cli import command_line
from stylecinegan.cli.literal_keys import literal_keys
from stylecinegan.cli.quoting import quote_values
from stylecinegan.cli.scene_settings import animate_scene, make_scene
from stylecinegan.cli.style_settings import make_target
from stylecinegan.errors import InputError
from stylecinegan.framing import resize
from stylecinegan.inputs import check_number, choose_device, choose_precision, resize_photo
from stylecinegan.resources import CONFIGS_DIR, EXAMPLE_PHOTO

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Hosts that only this machine can reach, as in addresses."""

logger = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=str(CONFIGS_DIR), config_name="app")
@command_line.errors_in_one_line
def main(cfg: DictConfig) -> None:
    """Serves the app until it is interrupted."""
    check_settings(cfg)
    host = str(cfg.host)
    listening = listen(host, cfg.port)
    port = listening.getsockname()[1]
    token = choose_token(host, cfg.token)
    app = make_app(cfg, allowed_hosts(host, port, cfg.allowed_hosts), token)
    shown = LOOPBACK[0] if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}/" + ("" if token is None else f"?token={token}")
    logger.info("the app is at %s (Ctrl-C ends it)", address)
    if cfg.browser:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    # Jobs compose their own configurations, which Hydra allows only without this command's state.
    GlobalHydra.instance().clear()
    config = uvicorn.Config(
        app.asgi,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=cfg.limits.connections,
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(config).run(sockets=[listening])


def check_settings(cfg: DictConfig) -> None:
    """Checks the settings before the server starts.

    Raises:
        InputError: If one is invalid.
    """
    check_number("port", cfg.port, least=0, is_whole=True)
    for group, names in (
        ("preview", ("side", "num_frames", "working_side", "picture_side", "quality")),
        ("limits", ("upload_mib", "sessions", "render_side", "render_frames", "connections")),
    ):
        for name in names:
            least = 2 if name == "num_frames" else 1
            check_number(f"{group}.{name}", cfg[group][name], least=least, is_whole=True)
    for name in ("megapixels", "idle_minutes", "active_s", "disk_mib", "stall_s"):
        check_number(f"limits.{name}", cfg.limits[name], least=0)
    if cfg.threads is not None:
        check_number("threads", cfg.threads, least=1, is_whole=True)


def make_app(cfg: DictConfig, hosts: list[str], token: str | None) -> App:
    """Builds the app; the model is loaded when the server runs.

    Args:
        cfg: The settings of ``app``.
        hosts: Result of :func:`allowed_hosts`.
        token: Result of :func:`choose_token`.

    Raises:
        InputError: If this machine has no such device, or the precision is unknown.
    """
    device = choose_device(cfg.device)
    precision = choose_precision(cfg.precision, device)
    if cfg.threads is not None:
        torch.set_num_threads(cfg.threads)
    return App(
        lambda: instantiate(cfg.model, precision=precision).to(device),
        animate,
        EXAMPLE_PHOTO,
        preview=PreviewSettings(**cfg.preview),
        limits=Limits(**cfg.limits),
        allowed_hosts=hosts,
        token=token,
        root_path=cfg.root_path,
    )


def animate(
    model: StyleCineGAN, settings: Mapping[str, str], pause: Callable[[], None]
) -> Cinemagraph:
    """Makes the cinemagraph that the command ``generate`` makes with the same settings.

    Args:
        model: The model.
        settings: Settings of ``generate`` by key, as written on the command line.
        pause: Function to call between slow steps.

    Raises:
        InputError: If a setting is invalid, or the mask is empty.
    """
    typed = [f"{key}={value}" for key, value in settings.items()]
    keys = literal_keys("generate", typed) | {"text"}  # users may type anything
    with initialize_config_dir(str(CONFIGS_DIR), version_base="1.3"):
        cfg = compose("generate", overrides=quote_values(typed, keys))
    device = model.generator.w_mean.device
    original, opacity = read_on_white(cfg.photo)
    original = original.to(device)
    photo = resize_photo(original, cfg.size)
    if opacity is not None:
        opacity = resize(opacity.to(device), (photo.shape[2], photo.shape[3]))
    scene = make_scene(cfg, model, photo, original, opacity)
    target = None
    if cfg.style is not None:
        pause()
        target = make_target(cfg, read_style(str(cfg.style)), model)
        _ = scene.inversion
    # The scene keeps what is computed here, so that other jobs can run between these steps.
    pause()
    _ = scene.mask
    pause()
    _ = scene.motion_field
    pause()
    return animate_scene(cfg, model, scene, target)


def listen(host: str, port: int) -> socket.socket:
    """Opens the server's socket.

    Args:
        host: Name or address of this machine.
        port: Port; 0 chooses a free one.

    Raises:
        InputError: If the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # clients that connect before the server runs wait for it
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot listen at {host}, port {port}: {reason}; try --port") from error
    return listening


def choose_token(host: str, token: str | None) -> str | None:
    """Chooses the access token.

    Args:
        host: Host that the server listens at.
        token: The user's choice; by default the token is random, or ``None`` if only this machine
            has access.

    Raises:
        InputError: If the token is shorter than 8 characters.
    """
    if token is not None and len(str(token)) < 8:
        raise InputError("a token must have at least 8 characters")
    if token is not None:
        return str(token)
    return None if host in ("127.0.0.1", "localhost", "::1") else secrets.token_urlsafe(16)


def allowed_hosts(host: str, port: int, further: Any) -> list[str]:
    """Lists the host names that requests may have.

    Args:
        host: Host that the server listens at.
        port: Its port.
        further: Further names, such as that of a proxy, with their ports.

    Returns:
        ``NAME:PORT`` each, and the further names as given.
    """
    own = [f"{name}:{port}" for name in LOOPBACK]
    if host in ("0.0.0.0", "::"):
        own += [f"{name}:{port}" for name in (socket.gethostname(), *addresses())]
    elif host not in LOOPBACK:
        own.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    return [*own, *(str(name) for name in further)]


def addresses() -> list[str]:
    """Lists the network addresses of this machine."""
    found = {str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # selects the outgoing interface; sends nothing
            found.add(probe.getsockname()[0])
        except OSError:
            pass
    return sorted(f"[{address}]" if ":" in address else address for address in found)


def run() -> None:
    """Runs the command with the arguments of the process."""
    command_line.run(main, "app")
